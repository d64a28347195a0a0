"""What a decoder reads, and the steps that it computes: whole packed rows, or one in generation."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.attention import empty_cache
from signllm_jax.models.layers.embed import segment_positions

Caches = tuple[tuple[Array, Array], ...]


class Steps(NamedTuple):
    """The N steps of B rows that a decoder computes at once.

    Attributes:
        segment: int32 [B, N], which sequence of the row a step belongs to, 0 = padding.
        position: int32 [B, N], the step's number in its sequence from 0.
        mask: bool [B, N, N] of self-attention, which hides what comes later ([B, N, cache length]
            with caches).
        caches: each layer's keys and values, None in whole rows.
        index: where the keys and values of this step are written.
    """

    segment: Array
    position: Array
    mask: Array
    caches: Caches | None = None
    index: Array | int = 0

    def cache(self, layer: int) -> tuple[tuple[Array, Array], Array | int] | None:
        """What a layer's attention reads and writes; None in whole rows."""
        return None if self.caches is None else (self.caches[layer], self.index)


class Memory(NamedTuple):
    """What the decoder reads of the texts of B rows.

    Attributes:
        keys_values: each decoder layer's keys and values.
        segment: int32 [B, S], 0 = padding.
        progress: float32 [B, S], the middle of each token in its text.
        rate: [B, S], tokens of its length that would fill the clip: how many its text has, where
            all are equally long.
        text: [B, S, M], what is read of whole clips; None where nothing is.
        latent: float32 [B, K, Z + 4], what varies between clips; None where nothing does.
        frames: float32 [B, S], how long each token lasts; None where that is not learned.
    """

    keys_values: tuple
    segment: Array
    progress: Array
    rate: Array
    text: Array | None = None
    latent: Array | None = None
    frames: Array | None = None


def packed_steps(segment: Int[Array, "B N"], whole: bool = False) -> Steps:
    """All steps of packed rows: each sees those before it in its sequence.

    Args:
        segment: int32 [B, N], 0 = padding.
        whole: whether each sees those after it as well.
    """
    position, _ = segment_positions(segment)
    mask = segment[:, :, None] == segment[:, None, :]
    if not whole:
        mask &= np.tri(segment.shape[1], dtype=bool)
    mask &= segment[:, :, None] > 0
    return Steps(segment, position, mask)


def next_step(caches: Caches, index: Int[Array, ""]) -> Steps:
    """Step `index` of rows with one sequence each, of which all steps before are in the caches."""
    rows, _, length, _ = caches[0][0].shape
    mask = jnp.broadcast_to(jnp.arange(length) <= index, (rows, 1, length))
    segment = jnp.ones((rows, 1), jnp.int32)
    return Steps(segment, jnp.full((rows, 1), index), mask, caches, index)


def empty_caches(layers: int, *size) -> Caches:
    """The caches of a decoder before its first step; arguments of `empty_cache` for one layer."""
    return tuple(empty_cache(*size) for _ in range(layers))
