"""Pages for people: one module for each group of pages, over one shell."""
