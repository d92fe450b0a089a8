"""The commands of `evidence`, grouped by who uses them."""
