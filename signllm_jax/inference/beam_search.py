"""Beam search over cached steps: the most probable sequences of tokens, with normalized scores.

Source: Wu et al., Google's Neural Machine Translation System, 2016 (arXiv 1609.08144), section 7.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from signllm_jax.core.typing import Array, Tree

IMPOSSIBLE = -1e9
PAD = 0


class Best(NamedTuple):
    """The best sequence of every row.

    Attributes:
        tokens: int32 [B, N], 0 after the end.
        logp: float32 [B], the sum of the log probabilities, that of the end included.
        score: float32 [B], `logp` over the normalization of its length.
    """

    tokens: Array
    logp: Array
    score: Array


def length_penalty(power: float) -> Callable[[Array], Array]:
    """The normalization ((5 + length) / 6) ^ power."""
    return lambda length: ((5.0 + length) / 6.0) ** power


def mean_of_tokens(length: Float[Array, "..."]) -> Float[Array, "..."]:
    """The normalization that makes a score the mean log probability of a token."""
    return length


def beam_search(
    step: Callable[[Array, Array, Tree], tuple[Array, Array, Tree]],
    caches: Tree,
    empty: Bool[Array, " B"],
    most: int,
    beams: int,
    *,
    start: int,
    end: int,
    normalize: Callable[[Array], Array],
    cache_axis: int = 0,
) -> Best:
    """Searches the best sequence of every row; one beam is greedy decoding.

    A hypothesis ends with `end`. A row is done when as many hypotheses have ended as there are
    beams; of a row whose hypotheses never end the best unfinished one is taken.

    Args:
        step: from the tokens before int32 [B * W, 1], the step's number int32 [] and the caches to
            log probabilities [B * W, V], a number [B * W] that is added to every token but the end,
            and the caches.
        caches: arrays with an axis of B * W.
        empty: bool [B], rows whose sequence is empty.
        most: N, steps at most.
        beams: W.
        start: the token before the first one.
        end: id of the end.
        normalize: from the length in tokens, the end included, to what `logp` is divided by.
        cache_axis: the axis of B * W in the caches.
    """
    (rows,) = empty.shape
    flat = rows * beams
    begin = {
        "index": jnp.zeros((), jnp.int32),
        "alive": jnp.zeros((rows, beams, most), jnp.int32),
        # all beams begin equal: only the first may be continued
        "logp": jnp.broadcast_to(jnp.where(jnp.arange(beams) == 0, 0.0, IMPOSSIBLE), (rows, beams)),
        "ended": jnp.zeros((rows, beams, most), jnp.int32),
        "ended_logp": jnp.full((rows, beams), IMPOSSIBLE),
        "score": jnp.full((rows, beams), -jnp.inf),
        "done": empty,
        "caches": caches,
    }

    def advance(carry):
        index, alive = carry["index"], carry["alive"]
        before = jax.lax.dynamic_index_in_dim(alive, jnp.maximum(index - 1, 0), 2, False)
        before = jnp.where(index == 0, start, before).reshape(flat, 1)
        logp, added, caches = step(before, index, carry["caches"])
        vocab = logp.shape[-1]
        total = carry["logp"][..., None] + logp.reshape(rows, beams, vocab)
        # twice as many as there are beams, since half of them may end
        best, chosen = jax.lax.top_k(total.reshape(rows, -1), 2 * beams)
        parent, token = chosen // vocab, chosen % vocab
        ends = token == end
        token = token + jnp.take_along_axis(added.reshape(rows, beams), parent, axis=1)
        lines = jnp.take_along_axis(alive, parent[..., None], axis=1)
        lines = jax.lax.dynamic_update_index_in_dim(
            lines, jnp.where(ends, PAD, token)[..., None], index, 2
        )
        # a hypothesis may end only where it is among the best
        ending = ends & (jnp.arange(2 * beams) < beams) & (best > IMPOSSIBLE / 2)
        ending &= ~carry["done"][:, None]
        ending = jnp.where(ending, best / normalize(index + 1.0), -jnp.inf)
        score, kept = jax.lax.top_k(jnp.concatenate([carry["score"], ending], 1), beams)

        def keep(old, new):
            at = kept.reshape(*kept.shape, *(1,) * (old.ndim - 2))
            return jnp.take_along_axis(jnp.concatenate([old, new], 1), at, axis=1)

        logp, going = jax.lax.top_k(jnp.where(ends, 2 * IMPOSSIBLE, best), beams)
        parent = jnp.take_along_axis(parent, going, axis=1)
        source = (parent + beams * jnp.arange(rows)[:, None]).reshape(flat)
        return {
            "index": index + 1,
            "alive": jnp.take_along_axis(lines, going[..., None], axis=1),
            "logp": logp,
            "ended": keep(carry["ended"], lines),
            "ended_logp": keep(carry["ended_logp"], best),
            "score": score,
            "done": carry["done"] | (score > -jnp.inf).all(1),
            "caches": jax.tree.map(lambda x: jnp.take(x, source, axis=cache_axis), caches),
        }

    def unfinished(carry):
        return (carry["index"] < most) & ~carry["done"].all()

    out = jax.lax.while_loop(unfinished, advance, begin)
    none = out["score"][:, 0] == -jnp.inf
    tokens = jnp.where(none[:, None], out["alive"][:, 0], out["ended"][:, 0])
    logp = jnp.where(none, out["logp"][:, 0], out["ended_logp"][:, 0])
    score = jnp.where(none, logp / normalize(jnp.float32(most)), out["score"][:, 0])
    return Best(
        jnp.where(empty[:, None], PAD, tokens),
        jnp.where(empty, 0.0, logp),
        jnp.where(empty, 0.0, score),
    )
