"""Tests of the Central Evidence Repository."""
