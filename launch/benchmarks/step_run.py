"""A compiled train step on made clips, as the benchmarks time it."""

import math
from collections.abc import Sequence

import jax
import numpy as np

from launch.benchmarks import rounds, workload
from launch.benchmarks.steps import Steps
from signllm_jax.data.batches import TrainData
from signllm_jax.parallel import sharding

CLIPS = 400  # number of clips per language


class StepRun(Steps):
    """A train step on made clips.

    Attributes:
        config: Config of the run.
        places: Number of frames in a batch, with padding.
        flops_a_frame: Number of operations of matrix products that a real frame needs.
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
            lanes: Codes of the languages.
            frames: Lengths of the clips, in turns.
            rows: Number of rows of a language in a batch.
            row_frames: Number of frames in a packed row; rows of one clip are as long as the
                longest.
            steps: Number of steps in a call of `steps`.
            packed: Whether a row has as many clips as fit, else one.
        """
        row_frames = row_frames if packed else max(frames)
        clips = max(1, round(row_frames * len(frames) / sum(frames))) if packed else 1
        tokens = workload.TOKENS.value
        sizes = {"row_frames": row_frames, "row_tokens": clips * tokens, "row_clips": clips}
        config = workload.make_config(
            data={"languages": lanes, **sizes},
            train={"batch_size": rows},
            eval={"max_frames": row_frames},
        )
        lengths = math.ceil(CLIPS / len(frames)) * list(frames)
        sources = [workload.MadeClips(code, lengths, config.data.layout) for code in lanes]
        groups = [workload.made_group(config, code) for code in lanes]
        data = TrainData.of(config, sources, groups)
        placed = sharding.batch_sharding(sharding.make_mesh({}, jax.devices()[:1]))
        numbers = range(steps * (1 + rounds.ROUNDS.value))
        made = [data.batch(n, range(len(lanes)), range(rows)) for n in numbers]
        super().__init__(config, [jax.device_put(batch, placed) for batch in made])
        self.places = len(lanes) * rows * row_frames
        flops = sum(3 * workload.clip_flops(config.model, n, tokens) for n in frames)
        self.flops_a_frame = flops / sum(frames)
        self._count = steps

    def row(self, benchmark: str, variant: str, measured: dict[str, np.ndarray], **more) -> dict:
        """The JSON row of a variant.

        Args:
            benchmark: Name of the benchmark.
            variant: Name of the variant.
            measured: Result of `rounds.measure`.
            more: Further fields.
        """
        rates = measured[variant]
        flops, peak = rates * np.array([1.0, 1.0, self.flops_a_frame]), measured[rounds.PEAK]
        return rounds.row(
            benchmark,
            variant,
            rates,
            flops_share=rounds.ratio(flops, peak),
            flops_share_of_cpu=rounds.ratio(flops, peak, column=0),
            step_seconds=float(np.median(rates[:, 1])) / self._count,
            languages=len(self.config.data.languages),
            rows=self.config.train.batch_size,
            row_frames=self.config.data.row_frames,
            **more,
            **workload.describe(self.config),
        )

    def steps(self) -> float:
        """Makes the steps of a round; returns their real frames."""
        return self.make(self._count)
