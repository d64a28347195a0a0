"""Learned durations of tokens: which part of its clip each token of a text takes."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.blocks import Dense
from signllm_jax.models.layers.variety import FIRST_PACE

LARGEST = 2.0
"""Largest logarithm of a token's duration over the first one; the smallest is minus that."""


def token_spans(
    frames: Float[Array, "B S"], segment: Int[Array, "B S"]
) -> tuple[Float[Array, "B S"], Float[Array, "B S"]]:
    """Where in their clip the tokens of packed rows are, when they last so long.

    Args:
        frames: float32 [B, S], above 0, how long each token lasts beside the others of its text.
        segment: int32 [B, S], 0 = padding.

    Returns:
        float32 [B, S] each, the progress at the middle of each token (0 at the start of its clip
        and 1 at the end), and its rate: 1 over its share of the clip. 0.5 and 1 on padding.
    """
    same = (segment[:, :, None] == segment[:, None, :]) & (segment[:, :, None] > 0)
    before = same & np.tri(segment.shape[1], k=-1, dtype=bool)
    total = jnp.where(segment > 0, jnp.einsum("bst,bt->bs", same, frames), frames)
    middle = jnp.einsum("bst,bt->bs", before, frames) + frames / 2
    return middle / total, total / frames


class Durations(nn.Module):
    """How many frames each token lasts, read from the encoded text.

    They are learned from the lengths of clips, which the durations of their tokens add up to.
    """

    @nn.compact
    def __call__(self, text: Float[Array, "B S M"]) -> Float[Array, "B S"]:
        """[B, S, M] -> float32 [B, S], near FIRST_PACE at first."""
        weight = Dense(1, ("embed", "width"), scale=0.01, name="weight")(text)[..., 0]
        return FIRST_PACE * jnp.exp(LARGEST * jnp.tanh(weight / LARGEST))
