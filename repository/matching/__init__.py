"""Hit or no hit: whether the repository knows a value, and whom to contact; never what it holds."""
