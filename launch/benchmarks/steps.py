"""A compiled train step that the benchmarks run again and again."""

from collections.abc import Sequence

import jax
import numpy as np

from signllm_jax.core.config import Config
from signllm_jax.core.typing import Batch
from signllm_jax.parallel import sharding
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step


class Steps:
    """A train step with its state and its batches.

    Args:
        config: Config of the run.
        batches: Batches that the steps take in turns.

    Attributes:
        config: Config of the run.
    """

    def __init__(self, config: Config, batches: Sequence[Batch]):
        self.config, self._batches, self._next = config, batches, 0
        self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        with sharding.use_mesh(self._mesh):
            self._state = make_state(config, config.data.languages, self._mesh)
            self._step = make_train_step(config, config.data.languages, self._mesh)

    def make(self, count: int) -> float:
        """Makes `count` steps; returns the number of real frames in their batches."""
        frames = []
        with sharding.use_mesh(self._mesh):
            for _ in range(count):
                batch = self._batches[self._next % len(self._batches)]
                self._next += 1
                self._state, metrics = self._step(self._state, batch)
                frames.append(metrics["frames"])
            jax.block_until_ready(self._state)
        return float(np.sum(frames))
