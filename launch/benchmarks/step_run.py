"""A compiled train step on made clips, as the benchmarks time it."""

import math
from collections.abc import Sequence

import jax
import numpy as np

from launch.benchmarks import rounds, workload
from signllm_jax.data.batches import TrainData
from signllm_jax.parallel import sharding
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step

CLIPS = 400  # of a language


class StepRun:
    """A train step with its state and batches.

    Attributes:
        config: of the run.
        places: frames of a batch, padding among them.
        flops_a_frame: operations of matrix products that a real frame asks for.
    """

    def __init__(
        self,
        lanes: tuple[str, ...],
        frames: Sequence[int],
        rows: int,
        row_frames: int,
        steps: int,
        packed: bool = True,
    ):
        """Compiles nothing yet.

        Args:
            lanes: codes of the languages.
            frames: lengths of the clips, in turns.
            rows: of a language in a batch.
            row_frames: of a packed row; rows of one clip are as long as the longest.
            steps: of one call of `steps`.
            packed: whether a row has as many clips as fit, else one.
        """
        row_frames = row_frames if packed else max(frames)
        clips = max(1, round(row_frames * len(frames) / sum(frames))) if packed else 1
        self.config = config = workload.make_config(
            data={
                "languages": lanes,
                "row_frames": row_frames,
                "row_tokens": clips * workload.TOKENS.value,
                "row_clips": clips,
            },
            train={"batch_size": rows},
            eval={"max_frames": row_frames},
        )
        each = math.ceil(CLIPS / len(frames)) * list(frames)
        sources = [workload.MadeClips(code, each, config.data.layout) for code in lanes]
        groups = [workload.made_group(config, code) for code in lanes]
        data = TrainData.of(config, sources, groups)
        mesh = self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        place = sharding.batch_sharding(mesh)
        numbers = range(steps * (1 + rounds.ROUNDS.value))
        made = [data.batch(n, range(len(lanes)), range(rows)) for n in numbers]
        self._batches = [jax.device_put(batch, place) for batch in made]
        self.places = len(lanes) * rows * row_frames
        flops = sum(3 * workload.clip_flops(config.model, n, workload.TOKENS.value) for n in frames)
        self.flops_a_frame = flops / sum(frames)
        self._steps, self._next = steps, 0
        with sharding.use_mesh(mesh):
            self._state = make_state(config, lanes, mesh)
            self._step = make_train_step(config, lanes, mesh)

    def operations(self, measured: np.ndarray) -> np.ndarray:
        """Rounds [N, 3] of `steps` from `rounds.measure`, with operations in place of frames."""
        return measured * np.array([1.0, 1.0, self.flops_a_frame])

    def steps(self) -> float:
        """Makes the steps of a round; returns their real frames."""
        frames = []
        with sharding.use_mesh(self._mesh):
            for _ in range(self._steps):
                batch = self._batches[self._next % len(self._batches)]
                self._next += 1
                self._state, metrics = self._step(self._state, batch)
                frames.append(metrics["frames"])
            jax.block_until_ready(self._state)
        return float(np.sum(frames))
