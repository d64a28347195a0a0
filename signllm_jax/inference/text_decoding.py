"""Reading with Pose2Text: the most probable text of a clip by beam search over cached steps.

Only pose frames reach it: nothing of a text, and not its length.
"""

import jax
import jax.numpy as jnp

from signllm_jax.core.typing import Array, Tree
from signllm_jax.models.layers.attention import empty_cache
from signllm_jax.models.pose2text import END, Pose2Text

_IMPOSSIBLE = -1e9


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
    the search keeps; with one beam this is greedy decoding. Source of the normalisation by length:
    Wu et al., Google's Neural Machine Translation System, 2016, section 7.

    Args:
        model: the module.
        params: its parameters.
        frames: float32 [B, T, D - 1], standardised, without the counter; T a multiple of P.
        length: int32 [B]; an empty clip reads as nothing.
        allowed: bool [V], the ids that a text may have, END included.
        max_tokens: S, the longest text.
        beams: W.

    Returns:
        Token ids int32 [B, S], 0 after the end, and the mean log-probability float32 [B].
    """
    c, rows = model.config, frames.shape[0]
    segment = (jnp.arange(frames.shape[1]) < length[:, None]).astype(jnp.int32)
    memory = model.apply({"params": params}, frames, segment, method="encode")
    gloss_free = memory._replace(gloss=None)
    wide = jax.tree.map(lambda x: jnp.repeat(x, beams, axis=0), gloss_free)
    cache = empty_cache(rows * beams, max_tokens + 1, c.width, c.heads, model.dtype)
    first = jnp.arange(beams) == 0
    start = {
        "index": jnp.zeros((), jnp.int32),
        "tokens": jnp.zeros((rows, beams, max_tokens + 1), jnp.int32),
        "score": jnp.broadcast_to(jnp.where(first, 0.0, _IMPOSSIBLE), (rows, beams)),
        "size": jnp.zeros((rows, beams), jnp.int32),
        "ended": jnp.broadcast_to((length == 0)[:, None], (rows, beams)),
        "caches": tuple(cache for _ in range(c.decoder_layers)),
    }
    only_end = jnp.where(jnp.arange(c.vocab) == END, 0.0, _IMPOSSIBLE)

    def step(carry):
        index, ended = carry["index"], carry["ended"]
        last = carry["tokens"][..., jnp.maximum(index - 1, 0)] * (index > 0)
        logits, caches = model.apply(
            {"params": params},
            wide,
            last.reshape(-1, 1),
            jnp.ones((rows * beams, 1), jnp.int32),
            jnp.full((rows * beams, 1), index),
            jnp.broadcast_to(
                jnp.arange(max_tokens + 1) <= index, (rows * beams, 1, max_tokens + 1)
            ),
            carry["caches"],
            index,
            method="decode",
        )
        logits = jnp.where(allowed, logits[:, 0], _IMPOSSIBLE).reshape(rows, beams, -1)
        logits = jnp.where(index == max_tokens, only_end, logits)
        new = jnp.where(ended[..., None], only_end, jax.nn.log_softmax(logits))
        score, best = jax.lax.top_k((carry["score"][..., None] + new).reshape(rows, -1), beams)
        beam, token = best // c.vocab, best % c.vocab

        def follow(x):
            return jnp.take_along_axis(x, beam.reshape(rows, beams, *[1] * (x.ndim - 2)), axis=1)

        ended = follow(ended)
        return {
            "index": index + 1,
            "tokens": follow(carry["tokens"]).at[..., index].set(token),
            "score": score,
            # the end that a text of the greatest length is cut off by says nothing of it
            "size": follow(carry["size"]) + (~ended & (index < max_tokens)),
            "ended": ended | (token == END),
            "caches": jax.tree.map(
                lambda x: follow(x.reshape(rows, beams, *x.shape[1:])).reshape(x.shape), caches
            ),
        }

    def unfinished(carry):
        return (carry["index"] <= max_tokens) & ~carry["ended"].all()

    out = jax.lax.while_loop(unfinished, step, start)
    mean = out["score"] / jnp.maximum(out["size"], 1)
    best = mean.argmax(1)[:, None]
    tokens = jnp.take_along_axis(out["tokens"], best[..., None], axis=1)[:, 0, :max_tokens]
    return tokens, jnp.take_along_axis(mean, best, axis=1)[:, 0]
