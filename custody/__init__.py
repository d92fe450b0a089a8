"""The append-only custody ledger: entries, Merkle tree, signed checkpoints, proofs."""
