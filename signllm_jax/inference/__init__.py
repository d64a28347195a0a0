"""Trained groups at work: text, gloss and pose decoding."""
