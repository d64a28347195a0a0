"""The Priority Learning Channel: a train step with it against one without, in turns.

Both learn from rows of the same size and number, of fingerspelling; batches are made before the
clock runs. A difference of seconds counts everything that the channel does in a step.
"""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
from absl import flags

from configs import mlsf
from launch.benchmarks.rows import row, timed
from signllm_jax.core.config import Config, read_config
from signllm_jax.parallel import sharding
from signllm_jax.train.groups import make_group
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step

SIZE = flags.DEFINE_enum("size", "tiny", ("tiny", "base"), "of the model")
ROUNDS = flags.DEFINE_integer("rounds", 10, "in which every variant runs once", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 5, "of a variant in a round", lower_bound=1)
LANGUAGES = flags.DEFINE_list("languages", ["asl", "gsl", "dsgs", "tsl"], "that are trained")

CHOSEN = flags.DEFINE_list("variants", ["mse", "plc"], "mse, plc, plc_free_running")

VARIANTS = {
    "mse": {"plc": False, "loss": "mse"},
    "plc": {},
    "plc_free_running": {"rollout": "free_running"},
}


def rows() -> Iterator[dict]:
    """Yields a row for every variant; `over_mse` is the median over rounds of its CPU seconds by
    those of the step without the channel in the same round, with its quartiles.

    Compilation is not counted; `cpu_seconds` are of all threads together.
    """
    values = mlsf.get_config(f"fingerspelling,{SIZE.value}").to_dict()
    values["data"]["languages"] = tuple(LANGUAGES.value)
    config = read_config(values)
    groups = [make_group(config, code) for code in config.data.languages]
    runs = {
        name: _Run(dataclasses.replace(config, rl=dataclasses.replace(config.rl, **rl)), groups)
        for name, rl in VARIANTS.items()
        if name in {"mse", *CHOSEN.value}
    }
    spent = {name: [] for name in runs}
    for _ in range(ROUNDS.value):
        for name, run in runs.items():
            spent[name].append(timed(lambda run=run: run.steps(STEPS.value)))
    base = np.array(spent["mse"])[:, 0]
    for name, measured in spent.items():
        cpu, wall, frames = np.sum(measured, 0).tolist()
        ratios = np.array(measured)[:, 0] / base
        yield row(
            "replay",
            f"{SIZE.value}-{name}",
            *(cpu, wall, int(frames), "frames"),
            steps=ROUNDS.value * STEPS.value,
            over_mse=float(np.median(ratios)),
            over_mse_quartiles=np.quantile(ratios, (0.25, 0.75)).tolist(),
        )


class _Run:
    """A compiled step with its state and batches."""

    def __init__(self, config: Config, groups):
        lanes = config.data.languages
        self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        data = MlsfTask(config).train_data(lanes, groups)
        rows = range(config.batch_rows[0])
        self._batches = [data.batch(n, range(len(lanes)), rows) for n in range(STEPS.value)]
        with sharding.use_mesh(self._mesh):
            self._state = make_state(config, lanes, self._mesh)
            self._step = make_train_step(config, lanes, self._mesh)
        self.steps(2)

    def steps(self, steps: int) -> float:
        """Makes some steps; returns their real frames."""
        frames = []
        with sharding.use_mesh(self._mesh):
            for number in range(steps):
                batch = self._batches[number % len(self._batches)]
                self._state, metrics = self._step(self._state, batch)
                frames.append(metrics["frames"])
            jax.block_until_ready(self._state)
        return float(np.sum(frames))
