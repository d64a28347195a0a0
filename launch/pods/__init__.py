"""Manifests of clusters, and the command that fills them in."""
