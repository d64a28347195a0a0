"""TFDS builders: features and splits only."""
