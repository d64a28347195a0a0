"""What an autoregressive decoder has seen before a patch: real patches, or its own."""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array


def teacher_forcing(
    frames: Float[Array, "B T D"], segment: Int[Array, "B T"], patch: int
) -> tuple[Float[Array, "B N patch_coords"], Float[Array, "B N"], Int[Array, "B N"]]:
    """What the decoder sees while training: the patch before, within the same clip.

    Args:
        frames: [B, T, D], the counter last; T a multiple of `patch`.
        segment: int32 [B, T]; clips start on patch borders.
        patch: P.

    Returns:
        history [B, N, P (D - 1)] (zeros at a clip's first patch), counter [B, N] reached before
        the patch, and segment int32 [B, N], with N = T / P.
    """
    rows, time, size = frames.shape
    patches = frames.reshape(rows, time // patch, patch, size)
    segment = segment[:, ::patch]
    before = jnp.pad(segment, ((0, 0), (1, 0)))[:, :-1]
    follows = (segment == before) & (segment > 0)
    previous = jnp.pad(patches, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]
    history = previous[..., :-1].reshape(rows, time // patch, -1)
    counter = previous[:, :, -1, -1]
    return history * follows[..., None], counter * follows, segment


def fed_back(
    frames: Float[Array, "... patch_coords"], shown: Bool[Array, "... patch_joints"]
) -> Float[Array, "... patch_coords"]:
    """The history that a produced patch leaves: joints that are not shown are 0.

    That is what a missing joint is in the frames that the decoder is trained on. A prediction for
    a joint that is not shown has never been trained and must not be read.

    Args:
        frames: [..., P (D - 1)], predicted frames of a patch.
        shown: bool [..., P J], whether each of their joints is shown.

    Returns:
        [..., P (D - 1)].
    """
    return frames * jnp.repeat(shown, 3, axis=-1)
