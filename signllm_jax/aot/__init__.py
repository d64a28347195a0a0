"""Ahead-of-time compilation for TPU slices that are not available, and analysis of the programs."""
