"""Bounded readers of what many formats are built of: archives, XML, databases.

Loaded in the locked process, for extractors; standard library, own parsers and `ingest.extraction`
alone. A reader has its own budget, for a container may lie about everything.
"""
