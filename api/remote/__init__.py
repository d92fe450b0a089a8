"""Hand evidence over to a service elsewhere, over lines that fail: the client of our own API."""
