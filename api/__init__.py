"""The web face: JSON, pages, command line."""
