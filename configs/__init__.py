"""Configurations: each file shows its command and where its results are."""
