"""Layers' arithmetic as it suits a TPU in bfloat16; in any other type the plain formulas.

A TPU sums over rows on its vector unit, which takes longer than the product that the rows came
from; its matrix unit does it in passing. Each function here is its plain formula with another
backward pass.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float

from signllm_jax.core.typing import Array


def add_bias(x: Float[Array, "... N"], bias: Float[Array, " N"]) -> Float[Array, "... N"]:
    """x [..., N] + bias [N], in the type of x."""
    return _add_bias(x, bias) if x.dtype == jnp.bfloat16 else x + bias.astype(x.dtype)


def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """GELU (its tanh form; Hendrycks and Gimpel 2016), whose slope is kept for the way back."""
    return _gelu(x) if x.dtype == jnp.bfloat16 else nn.gelu(x)


def _sums(x: Float[Array, "... N"]) -> Float[Array, " N"]:
    """float32 [N] of bfloat16 [..., N]: the sums over all axes but the last."""
    axes = tuple(range(x.ndim - 1))
    # as many rows as a register has; of a single one XLA makes a sum again
    ones = jnp.ones((8, *x.shape[:-1]), x.dtype)
    over = (tuple(axis + 1 for axis in axes), axes)
    return jnp.tensordot(ones, x, over, preferred_element_type=jnp.float32)[0]


@jax.custom_vjp
def _add_bias(x, bias):
    return x + bias.astype(x.dtype)


def _add_bias_back(bias, gradient):
    return gradient, _sums(gradient).astype(bias.dtype)


_add_bias.defvjp(lambda x, bias: (_add_bias(x, bias), bias), _add_bias_back)


@jax.custom_vjp
def _gelu(x):
    return nn.gelu(x)


def _gelu_forth(x):
    value, slope = jax.jvp(nn.gelu, (x.astype(jnp.float32),), (jnp.ones(x.shape, jnp.float32),))
    return value.astype(x.dtype), slope.astype(x.dtype)


_gelu.defvjp(_gelu_forth, lambda slope, gradient: (gradient * slope,))
