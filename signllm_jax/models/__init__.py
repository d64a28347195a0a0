"""Flax models: one language group, and its lift over languages."""
