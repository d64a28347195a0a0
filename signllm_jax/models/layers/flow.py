"""Flow matching: clips grow out of noise along straight paths, in a few passes.

Lipman et al., Flow Matching for Generative Modeling, ICLR 2023: the path from noise x0 to a clip x1
that is the shortest on average (conditional optimal transport) is x_t = (1 - t) x0 + t x1. The
network tells the x1 that it expects of x_t, so that its losses are those of any decoder; the
velocity is (x1 - x_t) / (1 - t).
"""

import flax.linen as nn
import jax
from jaxtyping import Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.blocks import Dense
from signllm_jax.models.layers.embed import phase_features

HARMONICS = 4
"""Of the features of time."""


def on_the_way(
    frames: Float[Array, "B T coords"], time: Float[Array, "B T"], key: Array
) -> Float[Array, "B T coords"]:
    """Frames [B, T, D - 1] at times [B, T] of their paths, from noise that the key draws."""
    noise, time = jax.random.normal(key, frames.shape), time[..., None]
    return (1 - time) * noise + time * frames


def advance(
    point: Float[Array, "..."],
    expected: Float[Array, "..."],
    step: Int[Array, ""] | int,
    steps: int,
) -> Float[Array, "..."]:
    """The Euler step from time step / steps to (step + 1) / steps.

    Args:
        point: x_t [...].
        expected: [...], the x1 that is expected of it.
        step: int32 [], from 0.
        steps: of the whole way, at whose end the point is what was expected last.
    """
    return point + (expected - point) / (steps - step)


class Time(nn.Module):
    """Features of times in 0..1: float32 [B, N] -> [B, N, features]."""

    features: int

    @nn.compact
    def __call__(self, time: Float[Array, "B N"]) -> Float[Array, "B N features"]:
        """Applies the layer; of half a period, so that start and end are apart."""
        return Dense(self.features, ("progress", "embed"))(phase_features(time / 2, HARMONICS))
