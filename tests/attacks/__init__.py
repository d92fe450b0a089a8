"""What someone with more access than he should have can do."""
