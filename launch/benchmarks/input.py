"""The input alone: records -> standardized -> packed -> on the device, against what a step takes.

    python launch/benchmark.py input [--like=progressive_transformers] [--work=DIR]

`fingerspelling` is the corpus of the demo, `prompt2sign` one of made clips with the lengths of
sentences, prepared as any corpus is; `-cold` keeps no clip in memory and reads every record again.
`step` is the train step of the same config on one batch that lies on the device.
"""

import contextlib
import dataclasses
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import jax
import numpy as np
from absl import flags

from configs import mlsf
from launch.benchmarks import rounds, sentences, workload
from launch.benchmarks.sentences import LANGUAGE, NAME
from signllm_jax.core.config import Config, read_config
from signllm_jax.core.typing import Batch
from signllm_jax.corpora.published import is_spelled
from signllm_jax.data import batches as pipeline
from signllm_jax.data import splits
from signllm_jax.parallel import sharding
from signllm_jax.train.groups import make_group
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step

CLIPS = flags.DEFINE_integer("clips", 5000, "of the made corpus", lower_bound=10)
STEPS = flags.DEFINE_integer("steps", 20, "batches of a variant in a round", lower_bound=1)
LEARNT = flags.DEFINE_integer("learnt", 1, "train steps in a round", lower_bound=1)
WORK = flags.DEFINE_string("work", None, "where the made corpus is kept, by default nowhere")
CORPORA = flags.DEFINE_list("corpora", ["fingerspelling", "prompt2sign"], "which are read")
SAMPLES = 5  # of the resident memory in an epoch


def rows() -> Iterator[dict]:
    """Yields three rows a corpus and one of the matrix peak.

    `over_step` is the median over rounds of the frames a second by those of the step in the same
    round; `resident_mb` is the process's memory in the course of an epoch without a cache.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(WORK.value or folder)
        runs = {}
        for corpus in CORPORA.value:
            config = _config(corpus, work)
            cold = dataclasses.replace(config, data=dataclasses.replace(config.data, cache_mb=0))
            runs[corpus] = _Run(config)
            runs[f"{corpus}-cold"] = _Run(cold)
            runs[f"{corpus}-step"] = runs[corpus]
        variants = {
            name: run.learn if name.endswith("-step") else run.read for name, run in runs.items()
        }
        measured = rounds.measure(variants)
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
        self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        self._place = sharding.batch_sharding(self._mesh)
        self._batches = self._iterate()
        self._step = self._state = None

    def _iterate(self) -> Iterator[Batch]:
        data, rows = self.config.data, self.config.batch_rows[0]
        block = (range(len(self.lanes)), range(rows))
        batches = pipeline.iterate(
            self._data, 0, 1 << 30, block, threads=data.threads, prefetch=data.prefetch
        )
        return cast(Iterator[Batch], batches)  # MLSF has no others

    def read(self) -> float:
        """Puts the next batches on the device; returns their real frames."""
        frames = 0
        for batch in itertools.islice(self._batches, STEPS.value):
            self._last = jax.block_until_ready(jax.device_put(batch, self._place))
            frames += int((batch.segment > 0).sum())
        return float(frames)

    def learn(self) -> float:
        """Makes steps on the batch that was read last; returns their real frames."""
        with sharding.use_mesh(self._mesh):
            if self._step is None:
                self._state = make_state(self.config, self.lanes, self._mesh)
                self._step = make_train_step(self.config, self.lanes, self._mesh)
            for _ in range(LEARNT.value):
                self._state, metrics = self._step(self._state, self._last)
            return LEARNT.value * float(np.sum(metrics["frames"]))

    def epoch(self) -> list[int]:
        """Megabytes that the process holds in the course of one more epoch."""
        rows = max(plan.first_rows for plans in self._data.plans for plan in plans)
        steps = max(1, rows // self.config.batch_rows[0])
        batches, held = self._iterate(), []
        for part in np.array_split(np.arange(steps), SAMPLES):
            for batch in itertools.islice(batches, len(part)):
                jax.block_until_ready(jax.device_put(batch, self._place))
            held.append(_resident() >> 20)
        return held


def _config(corpus: str, work: Path) -> Config:
    """The config of a corpus, whose data are prepared: the demo's, or with the flags' model."""
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


def _resident() -> int:
    """Bytes that this process holds in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
