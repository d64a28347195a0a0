"""Skips steps whose gradient norm is far above its running mean."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.typing import Array, Tree

MEMORY = 0.98
"""Decay of the running mean per step."""
FIRST = 10
"""Number of steps before any is skipped: gradients change most at the start."""


def find(usual: Array, norms: Array, step: Array, most: float) -> tuple[Array, Array]:
    """Finds the lanes whose step is a spike.

    Args:
        usual: float32 [L], running mean of the gradient norms; 0 before the first step.
        norms: float32 [L], gradient norms of this step.
        step: int32 [], number of steps so far.
        most: A norm of more than `most` times the mean is a spike.

    Returns:
        The next running mean float32 [L], and the spikes bool [L]. In the mean, a spike counts as
        the limit, so that norms which stay large are soon no spikes. A norm that is not finite is
        no spike: it ends the run.
    """
    usual = jnp.where(usual > 0, usual, norms)
    limit = most * usual
    spike = (norms > limit) & jnp.isfinite(norms) & (step >= FIRST)
    return MEMORY * usual + (1 - MEMORY) * jnp.where(spike, limit, norms), spike


def without(grads: Tree, spike: Array) -> Tree:
    """The gradients of a lane, zero if its step is a spike, so that no moment includes it."""
    return jax.tree.map(lambda g: jnp.where(spike, jnp.zeros_like(g), g), grads)


def not_finite(metrics: Mapping[str, np.ndarray], lanes: Sequence[str]) -> str:
    """Says in words which loss or gradient norm (float [L]) is not finite; "" if all are."""
    for i, lane in enumerate(lanes):
        for name in ("loss", "gradient_norm"):
            if not np.isfinite(metrics[name][i]):
                return f"{lane}: the {name.replace('_', ' ')} is {metrics[name][i]}"
    return ""
