"""Steps whose gradient explodes, by its norm beside what is usual, are skipped."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.typing import Array, Tree

MEMORY = 0.98
"""Share of the running mean that a step keeps."""
FIRST = 10
"""Steps before which nothing is skipped: gradients change most at the start."""


def find(usual: Array, norms: Array, step: Array, most: float) -> tuple[Array, Array]:
    """Finds the lanes whose step is a spike.

    Args:
        usual: float32 [L], running mean of the norms; 0 before the first step.
        norms: float32 [L], of this step's gradients.
        step: int32 [], steps made.
        most: a norm over so many times the mean is a spike.

    Returns:
        The next running mean float32 [L], in which a spike counts as the largest norm that is
        none, so that norms which stay large become usual; and bool [L], the spikes. A norm that is
        not finite is no spike: the run ends with it.
    """
    usual = jnp.where(usual > 0, usual, norms)
    limit = most * usual
    spike = (norms > limit) & jnp.isfinite(norms) & (step >= FIRST)
    return MEMORY * usual + (1 - MEMORY) * jnp.where(spike, limit, norms), spike


def without(grads: Tree, spike: Array) -> Tree:
    """The gradients of a lane, zeros where they are a spike: no moment remembers it."""
    return jax.tree.map(lambda g: jnp.where(spike, jnp.zeros_like(g), g), grads)


def not_finite(metrics: Mapping[str, np.ndarray], lanes: Sequence[str]) -> str:
    """Which lane's loss or gradient norm, float [L] each, is not finite, in words; "" = none."""
    for i, lane in enumerate(lanes):
        for name in ("loss", "gradient_norm"):
            if not np.isfinite(metrics[name][i]):
                return f"{lane}: the {name.replace('_', ' ')} is {metrics[name][i]}"
    return ""
