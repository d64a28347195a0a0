"""Losses of one language: masked, so that padding and missing joints never count.

Each is a mean over what was observed in the rows it is given; with rows spread over devices
these are global means, the same on every mesh.
"""

import jax.numpy as jnp
import numpy as np
import optax

from signllm_jax.config import LossConfig
from signllm_jax.skeleton import Layout
from signllm_jax.typing import Array, Prediction


def joint_weights(layout: Layout, hand: float, wrist: float) -> np.ndarray:
    """float32 [J]: `hand` for hand joints, `wrist` for wrists, 1 for the others; the mean is 1.

    Hand joints are taken relative to their wrist, so a wrist's error moves a whole hand.
    """
    weights = np.ones(layout.size, np.float32)
    for side in ("left", "right"):
        weights[list(layout.groups[f"{side}_hand"])] = hand
        weights[layout.index(f"{side}_wrist")] = wrist
    return weights / weights.mean()


def masked_mean(values: Array, weights: Array) -> Array:
    """sum(values * weights) / sum(weights), 0 where all weights are 0."""
    return (values * weights).sum() / jnp.maximum(weights.sum(), 1e-6)


def frame_error(frames: Array, predicted: Array) -> Array:
    """Squared error of each joint [B, T, J] of standardised frames [B, T, 3J], mean of x, y, z."""
    error = jnp.square(predicted - frames)
    return error.reshape(*error.shape[:-1], -1, 3).mean(-1)


def pose_losses(
    frames: Array,
    joint_mask: Array,
    segment: Array,
    predicted: Prediction,
    weights: Array,
    config: LossConfig,
) -> dict[str, Array]:
    """The terms of the loss and their weighted sum.

    Args:
        frames: float32 [B, T, D] standardised, the counter last.
        joint_mask: bool [B, T, J].
        segment: int32 [B, T], 0 = padding.
        predicted: what the model says of the same frames.
        weights: float32 [J] of the joints.
        config: weights of the terms.

    Returns:
        Scalars `loss`, `frame` (mean squared error), `velocity` (of frame-to-frame differences
        within a clip), `counter` and `seen` (cross-entropy of a joint being observed).
    """
    real = segment > 0
    observed = joint_mask & real[..., None]
    target = frames[..., :-1]
    frame = masked_mean(frame_error(target, predicted.frames), observed * weights)
    together = (segment[:, 1:] == segment[:, :-1])[..., None] & observed[:, 1:] & observed[:, :-1]
    velocity = masked_mean(
        frame_error(jnp.diff(target, axis=1), jnp.diff(predicted.frames, axis=1)),
        together * weights,
    )
    counter = masked_mean(jnp.square(predicted.counter - frames[..., -1]), real * 1.0)
    cross_entropy = optax.sigmoid_binary_cross_entropy(predicted.seen, joint_mask * 1.0)
    seen = masked_mean(cross_entropy, jnp.broadcast_to(real[..., None], joint_mask.shape) * 1.0)
    loss = frame + config.velocity * velocity + config.counter * counter + config.seen * seen
    return {"loss": loss, "frame": frame, "velocity": velocity, "counter": counter, "seen": seen}
