"""Data for training: prepared corpora, the order of examples, and batches."""
