"""Typed settings: one frozen object read once, by entry points only."""
