"""Configurations: each file is a command with its cost and its result."""
