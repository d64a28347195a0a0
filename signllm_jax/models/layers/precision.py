"""The type that models compute in."""

import jax
import jax.numpy as jnp


def compute_dtype(name: str) -> jnp.dtype:
    """The compute type of `auto`, `float32` or `bfloat16` on the default backend."""
    if name == "auto":
        name = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return jnp.dtype(name)
