"""Learned biases of attention by how far apart a query and a key are."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.named import named


def nearness_params(
    module: nn.Module, layers: int, heads: int, steepest: float
) -> tuple[Float[Array, "layers H"], Float[Array, "layers H"]]:
    """Declares a module's `bias_slope` and `bias_offset`, each [layers, H], for `nearness`.

    Slopes begin at `steepest` to 0.01 over the heads, so that some look closely and some widely.
    """
    slopes = np.log(np.expm1(np.geomspace(steepest, 0.01, heads))).astype(np.float32)
    shape, names = (layers, heads), (None, "heads")
    slope = named(lambda key, shape: jnp.broadcast_to(slopes, shape), *names)
    offset = named(nn.initializers.zeros, *names)
    return module.param("bias_slope", slope, shape), module.param("bias_offset", offset, shape)


def nearness(
    params: tuple[Float[Array, "layers H"], Float[Array, "layers H"]],
    layer: int,
    distance: Float[Array, "B N S"],
) -> Float[Array, "B H N S"]:
    """-softplus(slope) * (distance + offset)^2 [B, H, N, S] of distances [B, N, S].

    Args:
        params: from `nearness_params`.
        layer: whose slopes and offsets [H] are meant.
        distance: [B, N, S].
    """
    slope, offset = (x[layer] for x in params)
    slope, offset = (x[None, :, None, None] for x in (jax.nn.softplus(slope), offset))
    return -slope * jnp.square(distance[:, None] + offset)


def place_params(
    module: nn.Module, name: str, layers: int, heads: int, most: int, deviation: float = 0.0
) -> Float[Array, "layers H places"]:
    """Declares a module's parameter [layers, H, 2 most + 1] for `place_bias`."""
    init = named(nn.initializers.normal(deviation), None, "heads", None)
    return module.param(name, init, (layers, heads, 2 * most + 1))


def place_bias(table: Float[Array, "... places"], size: int) -> Float[Array, "... S S"]:
    """[..., S, S] of a table [..., 2 most + 1]: by the places from a query to a key.

    Those that are farther apart than `most` share the last entry.
    """
    most = table.shape[-1] // 2
    apart = np.arange(size)[None, :] - np.arange(size)[:, None]
    return table[..., np.clip(apart, -most, most) + most]
