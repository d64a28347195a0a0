"""Reading with Pose2Text: the most probable text of a clip by beam search over cached steps.

It reads pose frames only: neither the text nor its length.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference.beam_search import IMPOSSIBLE, beam_search, mean_of_tokens
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.steps import empty_caches, next_step
from signllm_jax.models.pose2text import END, Pose2Text


def read(
    model: Pose2Text,
    params: Tree,
    frames: Float[Array, "B T coords"],
    length: Int[Array, " B"],
    allowed: Bool[Array, " V"],
    max_tokens: int,
    beams: int = 1,
) -> tuple[Int[Array, "B S"], Float[Array, " B"]]:
    """Reads the texts of B clips of one language.

    Of the texts that the search keeps, it takes the one with the highest mean log-probability of a
    token, the end included; see `beam_search`.

    Args:
        model: Module of the reader.
        params: Parameters of the module.
        frames: float32 [B, T, D - 1], standardized, without the counter; T is a multiple of P.
        length: int32 [B], length of each clip; an empty clip reads as an empty text.
        allowed: bool [V], the ids that a text may have, END included.
        max_tokens: S, length of the longest text in tokens.
        beams: W, number of hypotheses per clip.

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
