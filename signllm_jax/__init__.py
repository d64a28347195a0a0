"""SignLLM in JAX and Flax: text in, 3D sign language pose sequences out."""

__version__ = "0.1.0"
