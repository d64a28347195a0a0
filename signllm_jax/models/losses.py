"""Losses of one language: masked, so that padding and missing joints never count.

Each is a mean over what was observed in the rows it is given; with rows spread over devices
these are global means, the same on every mesh.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, Shaped

from signllm_jax.core.config import LossConfig, ReadingConfig
from signllm_jax.core.skeleton import Layout
from signllm_jax.core.typing import Array, Prediction, TokenScores
from signllm_jax.models.layers.pooling import members
from signllm_jax.models.layers.variety import Told
from signllm_jax.models.pose2text import END, Memory
from signllm_jax.models.robust import huber
from signllm_jax.models.smoothing import smoothed_tracks

LAGS = (1, 2, 4, 8)
"""Frames over which moves are compared."""


def joint_weights(layout: Layout, hand: float, wrist: float) -> Float[Array, " J"]:
    """float32 [J]: `hand` for hand joints, `wrist` for wrists, 1 for the others; the mean is 1.

    Hand joints are taken relative to their wrist, so a wrist's error moves a whole hand.
    """
    weights = np.ones(layout.size, np.float32)
    for side in ("left", "right"):
        weights[list(layout.groups[f"{side}_hand"])] = hand
        weights[layout.index(f"{side}_wrist")] = wrist
    return weights / weights.mean()


def masked_mean(
    values: Shaped[Array, "*values"], weights: Shaped[Array, "*weights"]
) -> Float[Array, ""]:
    """sum(values * weights) / sum(weights), 0 where all weights are 0."""
    return (values * weights).sum() / jnp.maximum(weights.sum(), 1e-6)


def frame_error(
    frames: Float[Array, "... coords"],
    predicted: Float[Array, "... coords"],
    limit: Float[Array, ""] | float | None = None,
) -> Float[Array, "... J"]:
    """Squared error of each joint [B, T, J] of standardized frames [B, T, 3J], mean of x, y, z.

    With a limit it is squared up to there and linear from there on (`robust.huber`).
    """
    late = predicted - frames
    error = jnp.square(late) if limit is None else huber(late, limit)
    return error.reshape(*error.shape[:-1], -1, 3).mean(-1)


def speed_error(
    target: Float[Array, "B T coords"],
    frames: Float[Array, "B T coords"],
    segment: Int[Array, "B T"],
    observed: Bool[Array, "B T J"],
    weights: Float[Array, "*rows J"],
) -> Float[Array, ""]:
    """The squared error of how far joints move, whatever the direction.

    Moves over 1, 2, 4 and 8 frames of tracks that are smoothed in time, so that jitter is no move.
    A move over k frames is divided by the root of k, as if steps were independent.

    Args:
        target: standardized frames float32 [B, T, 3J].
        frames: the same, predicted.
        segment: int32 [B, T], 0 = padding.
        observed: bool [B, T, J].
        weights: float32 [J] or [B, T, J].
    """

    def moves(values, lag):  # the root's gradient is finite where nothing moves
        apart = jnp.square(values[:, lag:] - values[:, :-lag])
        return jnp.sqrt(apart.mean(-1) / lag + 1e-6)

    target, frames = (smoothed_tracks(values, segment, observed) for values in (target, frames))
    errors = []
    for lag in LAGS:
        same = (segment[:, lag:] == segment[:, :-lag])[..., None]
        counted = same & observed[:, lag:] & observed[:, :-lag]
        counted = counted * (weights[:, lag:] if weights.ndim == 3 else weights)
        error = jnp.square(moves(frames, lag) - moves(target, lag))
        errors.append(masked_mean(error, counted))
    return sum(errors) / len(LAGS)


def pose_losses(
    frames: Float[Array, "B T D"],
    joint_mask: Bool[Array, "B T J"],
    segment: Int[Array, "B T"],
    predicted: Prediction,
    weights: Float[Array, " J"],
    config: LossConfig,
    importance: Float[Array, "B T"] | None = None,
    counted: Float[Array, "B T"] | None = None,
) -> dict[str, Float[Array, ""]]:
    """The terms of the loss and their weighted sum.

    Args:
        frames: float32 [B, T, D] standardized, the counter last.
        joint_mask: bool [B, T, J].
        segment: int32 [B, T], 0 = padding.
        predicted: what the model says of the same frames.
        weights: float32 [J] of the joints.
        config: weights of the terms.
        importance: float32 [B, T], what a frame counts beside the others; None = 1.
        counted: float32 [B, T], the unit that the counter's error is measured in, by which it is
            multiplied; None = 1.

    Returns:
        Scalars `loss`, `frame` (mean squared error, or by `config.robust`), `velocity` (of
        frame-to-frame differences within a clip), `counter`, `seen` (cross-entropy of a joint
        being observed) and, where it has a weight, `speed` (squared error of how far joints move).
    """
    real = segment > 0
    observed = joint_mask & real[..., None]
    if importance is not None:
        real = real * importance
        weights = weights * importance[..., None]
    target = frames[..., :-1]
    limit = config.outlier if config.robust == "huber" else None
    frame = masked_mean(frame_error(target, predicted.frames, limit), observed * weights)
    together = (segment[:, 1:] == segment[:, :-1])[..., None] & observed[:, 1:] & observed[:, :-1]
    together = together * (weights if importance is None else weights[:, 1:])
    moves = jnp.diff(target, axis=1), jnp.diff(predicted.frames, axis=1)
    velocity = masked_mean(frame_error(*moves, limit), together)
    late = predicted.counter - frames[..., -1]
    counter = masked_mean(jnp.square(late if counted is None else late * counted), real * 1.0)
    cross_entropy = optax.sigmoid_binary_cross_entropy(predicted.seen, joint_mask * 1.0)
    seen = masked_mean(cross_entropy, jnp.broadcast_to(real[..., None], joint_mask.shape) * 1.0)
    terms = {"frame": frame, "velocity": velocity, "counter": counter, "seen": seen}
    if config.speed:
        terms["speed"] = speed_error(target, predicted.frames, segment, observed, weights)
    return {"loss": weighted_sum(terms, config), **terms}


def weighted_sum(terms: dict[str, Float[Array, ""]], config: LossConfig) -> Float[Array, ""]:
    """The loss of its terms: `frame`, `velocity`, `counter`, `seen` and those of whole clips."""
    loss = terms["frame"]
    for name in ("velocity", "speed", "counter", "seen", "latent", "length"):
        if name in terms:
            loss = loss + getattr(config, name) * terms[name]
    return loss


def clip_losses(
    predicted: Told, segment: Int[Array, "B T"], importance: Float[Array, "B K"] | None = None
) -> dict[str, Float[Array, ""]]:
    """The terms of the loss of whole clips.

    Args:
        predicted: what the model says of the K clips of each row.
        segment: int32 [B, T], 0 = padding.
        importance: float32 [B, K], what a clip counts beside the others; None = 1.

    Returns:
        Scalars `latent` (what a clip tells more than its text, in nats) and, where the model tells
        it, `length` (squared error of its logarithm).
    """
    frames = members(segment, predicted.surplus.shape[1]).sum(1)
    weight = (frames > 0) * (1.0 if importance is None else importance)
    terms = {"latent": masked_mean(predicted.surplus, weight)}
    if predicted.length is not None:
        error = jnp.square(predicted.length - jnp.log(jnp.maximum(frames, 1)))
        terms["length"] = masked_mean(error, weight)
    return terms


def gloss_loss(
    logits: Float[Array, "B N ids"], segment: Int[Array, "B N"], gloss: Int[Array, "B K G"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """CTC on the gloss of packed clips: the sum over clips and the number of glosses.

    Source: Graves et al., Connectionist Temporal Classification, ICML 2006. A clip with fewer steps
    than its gloss needs has no path and is left out.

    Args:
        logits: float32 [B, N, gloss ids], the blank is id 0.
        segment: int32 [B, N], which clip of the row a step belongs to, 0 = padding.
        gloss: int32 [B, K, G] of each clip, 0 = padding.
    """
    missing = (gloss == 0).astype(jnp.float32)

    def clip(number, gloss, missing):
        outside = (segment != number).astype(jnp.float32)  # of a clip, before it or after it
        loss = optax.ctc_loss(logits, outside, gloss, missing)
        count = (1 - missing).sum(-1)
        doubled = ((gloss[:, 1:] == gloss[:, :-1]) & (gloss[:, 1:] > 0)).sum(-1)
        possible = (count > 0) & ((1 - outside).sum(-1) >= count + doubled)
        return jnp.where(possible, loss, 0.0).sum(), (possible * count).sum()

    numbers = jnp.arange(1, gloss.shape[1] + 1)
    loss, count = jax.vmap(clip, in_axes=(0, 1, 1))(numbers, gloss, missing)
    return loss.sum(), count.sum()


def reading_losses(
    logits: Float[Array, "B S V"],
    target: Int[Array, "B S"],
    segment: Int[Array, "B S"],
    memory: Memory,
    gloss: Int[Array, "B K G"] | None,
    config: ReadingConfig,
) -> dict[str, Float[Array, ""]]:
    """The terms of the loss of a reader and their weighted sum.

    Args:
        logits: float32 [B, S, V].
        target: int32 [B, S], ends included.
        segment: int32 [B, S] of the targets, 0 = padding.
        memory: what the encoder made of the frames.
        gloss: int32 [B, K, G], or None.
        config: weights of the terms.

    Returns:
        Scalars `loss`, `token` (cross-entropy a token), `count` (absolute error of a clip's number
        of tokens) and, where there is gloss, `gloss` (CTC loss a gloss).
    """
    real = (segment > 0) * 1.0
    labels = optax.smooth_labels(jax.nn.one_hot(target, logits.shape[-1]), config.smoothing)
    token = masked_mean(optax.softmax_cross_entropy(logits, labels), real)
    # at the end of each text stands how many tokens it has; any step of the clip knows the total
    ends = real * (target == END)
    same = (segment[:, :, None] == memory.segment[:, None, :]) & (segment[:, :, None] > 0)
    total = (same * memory.total[:, None, :]).sum(-1) / jnp.maximum(same.sum(-1), 1)
    tokens = (segment[:, :, None] == segment[:, None, :]).sum(-1) - 1
    count = masked_mean(jnp.abs(total - tokens), ends)
    terms = {"loss": token + config.count * count, "token": token, "count": count}
    if gloss is not None:
        total, glosses = gloss_loss(memory.gloss, memory.segment, gloss)
        terms["gloss"] = total / jnp.maximum(glosses, 1)
        terms["loss"] += config.gloss * terms["gloss"]
    return terms


def line_losses(
    scores: TokenScores, line: Int[Array, "B N"], segment: Int[Array, "B N"], smoothing: float
) -> dict[str, Float[Array, ""]]:
    """The terms of a text stage's loss: cross-entropy of glosses and of their marks.

    Args:
        scores: logits of the tokens [B, N, ...].
        line: int32 [B, N] LangGloss tokens, EOS without a mark.
        segment: int32 [B, N], 0 = padding.
        smoothing: share of the probability that is spread over all glosses (Szegedy et al. 2016).

    Returns:
        Scalars `loss`, `gloss` (mean cross-entropy of a gloss, unsmoothed), `mark` (of a mark) and
        `tokens` (how many there were).
    """
    language, row = line // scores.gloss.shape[-1], line % scores.gloss.shape[-1]
    real, marked = (segment > 0) * 1.0, (language > 0) * 1.0
    logp = jax.nn.log_softmax(scores.gloss)
    right = jnp.take_along_axis(logp, row[..., None], axis=-1)[..., 0]
    smoothed = (1 - smoothing) * right + smoothing * logp.mean(-1)
    mark = optax.softmax_cross_entropy_with_integer_labels(scores.language, language)
    mark = (mark * marked * real).sum() / jnp.maximum(real.sum(), 1)
    loss = masked_mean(-smoothed, real) + mark
    return {"loss": loss, "gloss": masked_mean(-right, real), "mark": mark, "tokens": real.sum()}


def divergence(
    first: TokenScores, second: TokenScores, segment: Int[Array, "B N"]
) -> Float[Array, ""]:
    """How far two passes over the same lines disagree: the symmetric divergence of their tokens.

    R-drop (Liang et al., NeurIPS 2021, arXiv 2106.14448): both passes have the same parameters and
    different dropout.

    Args:
        first, second: logits of the tokens [B, N, ...].
        segment: int32 [B, N], 0 = padding.

    Returns:
        The mean over tokens of (KL(first | second) + KL(second | first)) / 2 in nats, of glosses
        and marks added.
    """

    def symmetric(a, b):
        a, b = jax.nn.log_softmax(a), jax.nn.log_softmax(b)
        return ((jnp.exp(a) - jnp.exp(b)) * (a - b)).sum(-1) / 2

    both = jax.tree.map(symmetric, first, second)
    return masked_mean(both.gloss + both.language, (segment > 0) * 1.0)
