"""Ahead-of-time compilation for TPU slices that are not at hand, and what the program tells."""
