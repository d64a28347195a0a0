"""The input alone: records are read, standardized, packed and put on the device; beside a step.

    python launch/benchmark.py input [--like=progressive_transformers] [--work=DIR]

`fingerspelling` is the corpus of the demo. `prompt2sign` has made clips with the lengths of
sentences, prepared as any corpus is. `-cold` keeps no clip in memory and reads every record again.
`step` is the train step of the same config on one batch that lies on the device.
"""

import contextlib
import dataclasses
import functools
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import jax
import numpy as np
import psutil
from absl import flags

from configs import mlsf
from launch.benchmarks import rounds, sentences, workload
from launch.benchmarks.sentences import LANGUAGE, NAME
from launch.benchmarks.steps import Steps
from signllm_jax.core.config import Config, read_config
from signllm_jax.core.typing import Batch
from signllm_jax.corpora.published import is_spelled
from signllm_jax.data import batches as pipeline
from signllm_jax.data import splits
from signllm_jax.parallel import sharding
from signllm_jax.train.groups import make_group
from signllm_jax.train.mlsf import MlsfTask

CLIPS = flags.DEFINE_integer("clips", 5000, "number of clips in the made corpus", lower_bound=10)
STEPS = flags.DEFINE_integer("steps", 20, "batches of a variant in a round", lower_bound=1)
LEARNT = flags.DEFINE_integer("learnt", 1, "train steps in a round", lower_bound=1)
WORK = flags.DEFINE_string("work", None, "folder of the made corpus; by default it is not kept")
CORPORA = flags.DEFINE_list("corpora", ["fingerspelling", "prompt2sign"], "corpora to read")
SAMPLES = 5  # number of measurements of the resident memory in an epoch


def rows() -> Iterator[dict]:
    """Yields three rows for each corpus and one of the matrix peak.

    `over_step` is the median, over the rounds, of the frames per second divided by those of the
    step in the same round. `resident_mb` is the memory of the process in the course of an epoch
    without a cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(WORK.value or folder)
        runs = {}
        for corpus in CORPORA.value:
            config = _config(corpus, work)
            uncached = dataclasses.replace(config.data, cache_mb=0)
            runs[corpus] = runs[f"{corpus}-step"] = _Run(config)
            runs[f"{corpus}-cold"] = _Run(dataclasses.replace(config, data=uncached))
        measured = rounds.measure(
            {name: run.learn if name.endswith("-step") else run.read for name, run in runs.items()}
        )
        for name, run in runs.items():
            step = measured[f"{name.partition('-')[0]}-step"]
            more = {"resident_mb": run.epoch()} if name.endswith("-cold") else {}
            yield rounds.row(
                "input",
                name,
                measured[name],
                over_step=rounds.ratio(measured[name], step),
                over_step_of_cpu=rounds.ratio(measured[name], step, column=0),
                languages=len(run.lanes),
                **more,
                **workload.describe(run.config),
            )
        yield from rounds.other_rows("input", measured)


class _Run:
    """The batches of a corpus, and a train step that takes them."""

    def __init__(self, config: Config):
        self.config, self.lanes = config, config.data.languages
        groups = [make_group(config, code) for code in self.lanes]
        self._data = MlsfTask(config).train_data(self.lanes, groups)
        self._placed = sharding.batch_sharding(sharding.make_mesh({}, jax.devices()[:1]))
        self._batches = self._iterate()

    def _iterate(self) -> Iterator[Batch]:
        data, rows = self.config.data, self.config.batch_rows[0]
        block = (range(len(self.lanes)), range(rows))
        batches = pipeline.iterate(
            self._data, 0, 1 << 30, block, threads=data.threads, prefetch=data.prefetch
        )
        return cast(Iterator[Batch], batches)  # MLSF has batches of this kind only

    def read(self) -> float:
        """Puts the next batches on the device; returns their real frames."""
        frames = 0
        for batch in itertools.islice(self._batches, STEPS.value):
            self._last = jax.block_until_ready(jax.device_put(batch, self._placed))
            frames += int((batch.segment > 0).sum())
        return float(frames)

    @functools.cached_property
    def _steps(self) -> Steps:
        return Steps(self.config, [self._last])

    def learn(self) -> float:
        """Makes steps on a batch that was read; returns their real frames."""
        return self._steps.make(LEARNT.value)

    def epoch(self) -> list[int]:
        """Megabytes that the process holds in the course of one more epoch."""
        rows = max(plan.first_rows for plans in self._data.plans for plan in plans)
        steps = max(1, rows // self.config.batch_rows[0])
        batches, held = self._iterate(), []
        for part in np.array_split(np.arange(steps), SAMPLES):
            for batch in itertools.islice(batches, len(part)):
                jax.block_until_ready(jax.device_put(batch, self._placed))
            held.append(psutil.Process().memory_info().rss >> 20)
        return held


def _config(corpus: str, work: Path) -> Config:
    """The config of a corpus, the demo's or with the model of the flags; prepares its data."""
    if is_spelled(corpus):
        values = mlsf.get_config(corpus).to_dict()
        languages = splits.languages(corpus)
    else:
        values, languages = mlsf.get_config("prompt2sign").to_dict(), (LANGUAGE,)
        values["data"] |= {"data_dir": str(work), "dataset": f"prompt2sign/{LANGUAGE}_{NAME}"}
        sentences.write_corpus(work, CLIPS.value)
        with contextlib.redirect_stdout(sys.stderr):
            splits.prepare(values["data"]["dataset"], LANGUAGE, work)
    if workload.LIKE.value:
        values["model"] |= workload.PEER_MODEL
    values["data"]["languages"] = tuple(languages)
    values["model"]["dtype"] = "float32"
    values["rl"]["plc"], values["rl"]["loss"] = False, "mse"
    return read_config(values)
