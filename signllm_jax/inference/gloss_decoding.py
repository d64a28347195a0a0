"""Text to LangGloss: greedy and beam search with cached keys and values, one model or several.

Where the lines that may be written are few and known, `score_choices` tells the best of them.

Nothing of a reference reaches it. A hypothesis is ended by EOS; a row is done as soon as as many
hypotheses have ended as there are beams, so one beam is greedy decoding.
"""

import jax
import jax.numpy as jnp

from signllm_jax.core.typing import Array, Tree
from signllm_jax.models.layers.attention import empty_cache
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.text.langgloss import BOS, EOS, PAD

LOWEST = -1e9


def length_penalty(length: Array, power: float) -> Array:
    """((5 + length) / 6) ^ power. Source: Wu et al. 2016 (arXiv 1609.08144), section 7."""
    return ((5.0 + length) / 6.0) ** power


def decode_lines(
    model: Text2Gloss,
    params: Tree,
    units: Array,
    most: int,
    beams: int = 1,
    power: float = 1.0,
) -> tuple[Array, Array]:
    """The best line of LangGloss tokens for every text.

    Args:
        model: the text stage.
        params: stacked parameters [M, ...] of M models with one vocabulary, whose probabilities
            are averaged; one model is M = 1.
        units: int32 [B, S, 1 + G], one text a row, 0 = padding; only padding gives an empty line.
        most: longest line, in tokens.
        beams: hypotheses a row.
        power: of the length penalty.

    Returns:
        Tokens int32 [B, most], 0 after the end, and the sum of their log probabilities float32
        [B]. A row whose hypotheses never end has its best unfinished one.
    """
    c = model.config
    rows = units.shape[0]
    flat = rows * beams
    segment = (units[..., 0] > 0).astype(jnp.int32)
    repeat = lambda x: jnp.repeat(x, beams, axis=0)  # noqa: E731

    def encode(own):
        memory = model.apply({"params": own}, units, segment, method="encode")
        return jax.tree.map(repeat, memory)

    memory = jax.vmap(encode)(params)
    models = jax.tree.leaves(params)[0].shape[0]
    one = empty_cache(flat, most, c.width, c.heads, model.dtype)
    cache = jax.tree.map(lambda x: jnp.broadcast_to(x, (models, *x.shape)), one)
    first = jnp.arange(beams) == 0
    start = {
        "index": jnp.zeros((), jnp.int32),
        "alive": jnp.zeros((rows, beams, most), jnp.int32),
        # all beams begin equal: only the first may be continued
        "logp": jnp.broadcast_to(jnp.where(first, 0.0, LOWEST), (rows, beams)),
        "ended": jnp.zeros((rows, beams, most), jnp.int32),
        "ended_logp": jnp.full((rows, beams), LOWEST),
        "score": jnp.full((rows, beams), -jnp.inf),
        "done": ~(segment > 0).any(-1),
        "caches": tuple(cache for _ in range(model.text.decoder_layers)),
    }

    def step(carry):
        index, alive, logp = carry["index"], carry["alive"], carry["logp"]
        before = jax.lax.dynamic_index_in_dim(alive, jnp.maximum(index - 1, 0), 2, False)
        before = jnp.where(index == 0, BOS, before).reshape(flat, 1)
        mask = jnp.broadcast_to(jnp.arange(most) <= index, (flat, 1, most))
        place = jnp.full((flat, 1), index)
        ones = jnp.ones((flat, 1), jnp.int32)

        def score(own, memory, caches):
            return model.apply(
                {"params": own}, memory, before, ones, place, mask, caches, index, method="decode"
            )

        scores, caches = jax.vmap(score)(params, memory, carry["caches"])
        gloss, language = (_average(logits[:, :, 0]) for logits in scores)
        mark = language.at[:, 0].set(-jnp.inf).argmax(-1)  # row 0 is no language
        gloss = gloss.at[:, jnp.array([PAD, BOS])].set(LOWEST)
        total = logp[..., None] + gloss.reshape(rows, beams, -1)
        # twice as many as there are beams, since half of them may end
        best, chosen = jax.lax.top_k(total.reshape(rows, -1), 2 * beams)
        parent, token = chosen // c.vocab, chosen % c.vocab
        marks = jnp.take_along_axis(mark.reshape(rows, beams), parent, axis=1)
        ends = token == EOS
        token = jnp.where(ends, EOS, marks * c.vocab + token)
        lines = jnp.take_along_axis(alive, parent[..., None], axis=1)
        lines = jax.lax.dynamic_update_index_in_dim(
            lines, jnp.where(ends, PAD, token)[..., None], index, 2
        )
        # a hypothesis may end only where it is among the best
        ending = ends & (jnp.arange(2 * beams) < beams) & ~carry["done"][:, None]
        ending = jnp.where(ending, best / length_penalty(index + 1.0, power), -jnp.inf)
        score_, kept = jax.lax.top_k(jnp.concatenate([carry["score"], ending], 1), beams)
        pick = lambda old, new: jnp.take_along_axis(  # noqa: E731
            jnp.concatenate([old, new], 1),
            kept.reshape(*kept.shape, *(1,) * (old.ndim - 2)),
            axis=1,
        )
        logp, going = jax.lax.top_k(jnp.where(ends, 2 * LOWEST, best), beams)
        parent = jnp.take_along_axis(parent, going, axis=1)
        source = (parent + beams * jnp.arange(rows)[:, None]).reshape(flat)
        return {
            "index": index + 1,
            "alive": jnp.take_along_axis(lines, going[..., None], axis=1),
            "logp": logp,
            "ended": pick(carry["ended"], lines),
            "ended_logp": pick(carry["ended_logp"], best),
            "score": score_,
            "done": carry["done"] | (score_ > -jnp.inf).all(1),
            "caches": jax.tree.map(lambda x: jnp.take(x, source, axis=1), caches),
        }

    def unfinished(carry):
        return (carry["index"] < most) & ~carry["done"].all()

    out = jax.lax.while_loop(unfinished, step, start)
    none = out["score"][:, 0] == -jnp.inf
    empty = ~(segment > 0).any(-1)
    line = jnp.where(none[:, None], out["alive"][:, 0], out["ended"][:, 0])
    logp = jnp.where(none, out["logp"][:, 0], out["ended_logp"][:, 0])
    return jnp.where(empty[:, None], PAD, line), jnp.where(empty, 0.0, logp)


def score_choices(model: Text2Gloss, params: Tree, units: Array, lines: Array) -> Array:
    """Log probabilities of given lines for every text, marks left out.

    Args:
        model, params, units: as for `decode_lines`.
        lines: int32 [B, K, N], K lines a text with EOS after each, 0 = padding.

    Returns:
        float32 [B, K]; that of an empty line is -inf.
    """
    rows, count, size = lines.shape
    flat = lines.reshape(rows * count, size)
    text_segment = (units[..., 0] > 0).astype(jnp.int32)
    segment = (flat > 0).astype(jnp.int32)
    place = jnp.broadcast_to(jnp.arange(size), flat.shape)
    mask = jnp.tri(size, dtype=bool) & (segment[:, None, :] > 0)
    before = jnp.where(place == 0, BOS, jnp.roll(flat, 1, axis=1))

    def score(own):
        memory = model.apply({"params": own}, units, text_segment, method="encode")
        memory = jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), memory)
        scores, _ = model.apply(
            {"params": own}, memory, before, segment, place, mask, method="decode"
        )
        return scores.gloss

    logp = _average(jax.vmap(score)(params))
    gloss = (flat % model.config.vocab)[..., None]
    own = jnp.take_along_axis(logp, gloss, axis=-1)[..., 0]
    total = jnp.where(segment > 0, own, 0.0).sum(-1)
    return jnp.where(segment[:, 0] > 0, total, -jnp.inf).reshape(rows, count)


def _average(logits: Array) -> Array:
    """Logits [M, ..., V] -> log of the models' mean probability [..., V]."""
    logp = jax.nn.log_softmax(logits, axis=-1)
    return jax.nn.logsumexp(logp, axis=0) - jnp.log(float(len(logp)))
