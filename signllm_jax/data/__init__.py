"""Data on its way in: the corpora, the order of examples, the batches."""
