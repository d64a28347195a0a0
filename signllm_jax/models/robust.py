"""Losses in which what fits badly counts less, without a replay buffer.

Clips whose labels or poses are damaged fit worse than others. `trimmed` leaves such clips out of a
batch (least trimmed squares: Rousseeuw 1984), `clipped` holds what they contribute at a bound
(the weights of Huber 1964 for whole clips), and `huber` bounds the gradient of every coordinate.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from signllm_jax.core.typing import Array

BY_CLIP = ("trimmed", "clipped")
"""The kinds that weigh whole clips by their error."""


def clip_weights(
    error: Float[Array, "B K"], kind: str, limit: Float[Array, ""] | float
) -> Float[Array, "B K"]:
    """What each clip of a batch counts; no gradient goes through it.

    Args:
        error: float32 [B, K], the mean squared error of every clip, NaN where there is none.
        kind: one of `BY_CLIP`.
        limit: how many times the batch's median error a clip's may be.

    Returns:
        float32 [B, K]: 1 up to the limit; above it 0 (`trimmed`), or the limit over the error
        (`clipped`), so that the clip contributes what one at the limit would.
    """
    error = jax.lax.stop_gradient(error)
    most = limit * jnp.nanmedian(error)
    left = jnp.zeros_like(error) if kind == "trimmed" else most / error
    return jnp.where(error > most, left, 1.0)


def huber(difference: Float[Array, "..."], limit: Float[Array, ""] | float) -> Float[Array, "..."]:
    """The square of a difference [...] up to a limit, and from there on its tangent.

    Source: Huber, Robust Estimation of a Location Parameter, 1964; twice his function, so that
    small differences count as they do in the squared error.
    """
    size = jnp.abs(difference)
    return jnp.where(size <= limit, jnp.square(difference), limit * (2 * size - limit))
