"""Pose clips: one in-memory form, and a reader or writer for each file format."""
