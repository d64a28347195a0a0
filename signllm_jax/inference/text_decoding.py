"""Reading with Pose2Text: the most probable text of a clip by beam search over cached steps.

Only pose frames reach it: nothing of a text, and not its length.
"""

import jax
import jax.numpy as jnp

from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference.beam_search import IMPOSSIBLE, beam_search, mean_of_tokens
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.steps import empty_caches, next_step
from signllm_jax.models.pose2text import END, Pose2Text


def read(
    model: Pose2Text,
    params: Tree,
    frames: Array,
    length: Array,
    allowed: Array,
    max_tokens: int,
    beams: int = 1,
) -> tuple[Array, Array]:
    """The texts of B clips of one language.

    The text with the highest mean log-probability of a token (its end is one too) among those that
    the search keeps; see `beam_search`.

    Args:
        model: the module.
        params: its parameters.
        frames: float32 [B, T, D - 1], standardized, without the counter; T a multiple of P.
        length: int32 [B]; an empty clip reads as nothing.
        allowed: bool [V], the ids that a text may have, END included.
        max_tokens: S, the longest text.
        beams: W.

    Returns:
        Token ids int32 [B, S], 0 after the end, and the mean log-probability float32 [B].
    """
    c = model.config
    segment = (jnp.arange(frames.shape[1]) < length[:, None]).astype(jnp.int32)
    memory = apply(model, params, frames, segment, method="encode")
    memory = jax.tree.map(lambda x: jnp.repeat(x, beams, axis=0), memory._replace(gloss=None))
    most = max_tokens + 1  # with the end
    caches = empty_caches(
        c.decoder_layers, len(length) * beams, most, c.width, c.heads, model.dtype
    )

    def step(before, index, caches):
        steps = next_step(caches, index)
        logits, caches = apply(model, params, memory, before, steps, method="decode")
        logits = jnp.where(allowed, logits[:, 0], IMPOSSIBLE)
        return jax.nn.log_softmax(logits), jnp.zeros(len(logits), jnp.int32), caches

    best = beam_search(
        step, caches, length == 0, most, beams, start=0, end=END, normalize=mean_of_tokens
    )
    return best.tokens[:, :max_tokens], best.score
