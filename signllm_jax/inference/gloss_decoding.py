"""Text to LangGloss with one model or the mean of several: searches lines, or scores given lines.

It never reads a reference.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference.beam_search import IMPOSSIBLE, beam_search, length_penalty
from signllm_jax.models.apply import apply
from signllm_jax.models.layers.steps import empty_caches, next_step, packed_steps
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.text.langgloss import BOS, EOS, PAD


def decode_lines(
    model: Text2Gloss,
    params: Tree,
    units: Int[Array, "B S grams"],
    most: int,
    beams: int = 1,
    power: float = 1.0,
) -> tuple[Int[Array, "B most"], Float[Array, " B"]]:
    """The best line of LangGloss tokens for every text.

    Args:
        model: Module of the text stage.
        params: Stacked parameters [M, ...] of M models with one vocabulary, whose probabilities
            are averaged; one model is M = 1.
        units: int32 [B, S, 1 + G], one text per row, 0 = padding; only padding gives an empty line.
        most: Length of the longest line, in tokens.
        beams: Number of hypotheses per row.
        power: Power of the length penalty.

    Returns:
        Tokens int32 [B, most], 0 after the end, and the sum of their log probabilities float32
        [B]. If no hypothesis of a row ends, the row has the best unfinished one.
    """
    c = model.config
    rows = units.shape[0]
    memory = jax.vmap(lambda model_params: _encoded(model, model_params, units, beams))(params)
    models = jax.tree.leaves(params)[0].shape[0]
    caches = empty_caches(
        model.text.decoder_layers, rows * beams, most, c.width, c.heads, model.dtype
    )
    caches = jax.tree.map(lambda x: jnp.broadcast_to(x, (models, *x.shape)), caches)

    def step(before, index, caches):
        def score(model_params, memory, caches):
            steps = next_step(caches, index)
            return apply(model, model_params, memory, before, steps, method="decode")

        scores, caches = jax.vmap(score)(params, memory, caches)
        gloss, language = (_average(logits[:, :, 0]) for logits in scores)
        mark = language.at[:, 0].set(-jnp.inf).argmax(-1)  # row 0 is no language
        return gloss.at[:, jnp.array([PAD, BOS])].set(IMPOSSIBLE), mark * c.vocab, caches

    empty, normalize = ~(units[..., 0] > 0).any(-1), length_penalty(power)
    best = beam_search(
        step, caches, empty, most, beams, start=BOS, end=EOS, normalize=normalize, cache_axis=1
    )
    return best.tokens, best.logp


def score_choices(
    model: Text2Gloss, params: Tree, units: Int[Array, "B S grams"], lines: Int[Array, "B K N"]
) -> Float[Array, "B K"]:
    """Log probabilities of given lines for every text, without the language marks.

    Args:
        model, params, units: As for `decode_lines`.
        lines: int32 [B, K, N], K lines per text with EOS after each, 0 = padding.

    Returns:
        float32 [B, K]; that of an empty line is -inf.
    """
    rows, count, size = lines.shape
    flat = lines.reshape(rows * count, size)
    steps = packed_steps((flat > 0).astype(jnp.int32))
    before = jnp.where(steps.position == 0, BOS, jnp.roll(flat, 1, axis=1))

    def score(model_params):
        memory = _encoded(model, model_params, units, count)
        scores, _ = apply(model, model_params, memory, before, steps, method="decode")
        return scores.gloss

    logp = _average(jax.vmap(score)(params))
    gloss = (flat % model.config.vocab)[..., None]
    logp = jnp.take_along_axis(logp, gloss, axis=-1)[..., 0]
    total = jnp.where(flat > 0, logp, 0.0).sum(-1)
    return jnp.where(flat[:, 0] > 0, total, -jnp.inf).reshape(rows, count)


def _encoded(model: Text2Gloss, params: Tree, units: Int[Array, "B S grams"], copies: int) -> Tree:
    """The encoder's memory of units [B, S, 1 + G], with each row repeated: [B * copies, ...]."""
    segment = (units[..., 0] > 0).astype(jnp.int32)
    memory = apply(model, params, units, segment, method="encode")
    return jax.tree.map(lambda x: jnp.repeat(x, copies, axis=0), memory)


def _average(logits: Float[Array, "M ... V"]) -> Float[Array, "... V"]:
    """Logits [M, ..., V] -> log of the models' mean probability [..., V]."""
    logp = jax.nn.log_softmax(logits, axis=-1)
    return jax.nn.logsumexp(logp, axis=0) - jnp.log(float(len(logp)))
