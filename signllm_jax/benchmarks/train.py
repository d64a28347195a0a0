"""The train step: real frames a second, beside the machine's matrix-multiplication peak.

    python launch/benchmark.py train --like=progressive_transformers

The variants run in turns: `packed` is the step as it is used, `padded` has one clip a row.
`flops_share` counts only what real frames ask for (`workload.clip_flops`).
"""

import math
from collections.abc import Iterator

import jax
import numpy as np
from absl import flags

from signllm_jax.benchmarks import rounds, workload
from signllm_jax.data.pipeline import TrainData
from signllm_jax.parallel import sharding
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step

ROWS = flags.DEFINE_integer("rows", 5, "of a language in a batch", lower_bound=1)
ROW_FRAMES = flags.DEFINE_integer("row_frames", 256, "of a packed row", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 2, "of a variant in a round", lower_bound=1)
LANGUAGES = flags.DEFINE_list("languages", ["asl"], "that are trained side by side")
CHOSEN = flags.DEFINE_list("variants", ["packed"], "packed, padded")
CLIPS = 400  # of a language


def rows() -> Iterator[dict]:
    """Yields a row a variant and one of the matrix peak; compilation is not counted."""
    runs = {name: _Run(name) for name in CHOSEN.value}
    measured = rounds.measure({name: run.steps for name, run in runs.items()})
    peak = measured[rounds.PEAK]
    for name, run in runs.items():
        own = measured[name]
        flops = own.copy()
        flops[:, 2] *= run.flops_a_frame
        yield rounds.row(
            "train",
            name,
            own,
            flops_share=rounds.ratio(flops, peak),
            flops_share_of_cpu=rounds.ratio(flops, peak, column=0),
            padding=1 - own[0, 2] / (run.places * STEPS.value),
            step_seconds=float(np.median(own[:, 1])) / STEPS.value,
            languages=len(LANGUAGES.value),
            rows=run.config.train.batch_size,
            row_frames=run.config.data.row_frames,
            **workload.describe(run.config),
        )
    yield from rounds.other_rows("train", measured)


class _Run:
    """A compiled step with its state and batches."""

    def __init__(self, variant: str):
        lanes, frames = tuple(LANGUAGES.value), workload.lengths()
        row, count = ROW_FRAMES.value, ROWS.value
        if variant == "padded":
            row = max(frames)
        clips = max(1, round(row * len(frames) / sum(frames)))
        self.config = config = workload.make_config(
            data={
                "languages": lanes,
                "row_frames": row,
                "row_tokens": clips * workload.TOKENS.value,
                "row_clips": 1 if variant == "padded" else clips,
            },
            train={"batch_size": count},
        )
        each = math.ceil(CLIPS / len(frames)) * list(frames)
        sources = [workload.MadeClips(code, each, config.data.layout) for code in lanes]
        groups = [workload.made_group(config, code) for code in lanes]
        data = TrainData.of(config, sources, groups)
        mesh = self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        place = sharding.batch_sharding(mesh)
        numbers = range(STEPS.value * (1 + rounds.ROUNDS.value))
        made = [data.batch(n, range(len(lanes)), range(count)) for n in numbers]
        self._batches = [jax.device_put(batch, place) for batch in made]
        self.places = len(lanes) * count * row
        flops = sum(3 * workload.clip_flops(config.model, n, workload.TOKENS.value) for n in frames)
        self.flops_a_frame = flops / sum(frames)
        self._next = 0
        with sharding.use_mesh(mesh):
            self._state = make_state(config, lanes, mesh)
            self._step = make_train_step(config, lanes, mesh)

    def steps(self) -> float:
        """Makes the steps of a round; returns their real frames."""
        frames = []
        with sharding.use_mesh(self._mesh):
            for _ in range(STEPS.value):
                batch = self._batches[self._next % len(self._batches)]
                self._next += 1
                self._state, metrics = self._step(self._state, batch)
                frames.append(metrics["frames"])
            jax.block_until_ready(self._state)
        return float(np.sum(frames))
