"""Evaluation: pose metrics, text metrics, back-translation, reports."""
