"""A small repository made by each release, which every later one upgrades, verifies and exports."""
