"""Corpora as people have them: read, listed, cleaned and packed into shards."""
