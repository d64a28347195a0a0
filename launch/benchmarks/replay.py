"""The Priority Learning Channel: a train step with it against one without, in turns.

Both learn from as many rows of fingerspelling of the same size; the batches are made before the
clock runs. The difference in seconds counts everything that the channel does in a step.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from absl import flags

from configs import mlsf
from launch.benchmarks.rows import row, timed
from launch.benchmarks.steps import Steps
from signllm_jax.core.config import read_config
from signllm_jax.train.groups import make_group
from signllm_jax.train.mlsf import MlsfTask

SIZE = flags.DEFINE_enum("size", "tiny", ("tiny", "base"), "size of the model")
ROUNDS = flags.DEFINE_integer("rounds", 10, "rounds; all variants run in each", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 5, "steps of a variant in a round", lower_bound=1)
LANGUAGES = flags.DEFINE_list("languages", ["asl", "gsl", "dsgs", "tsl"], "languages to train")

CHOSEN = flags.DEFINE_list("variants", ["mse", "plc"], "mse, plc, plc_free_running")

VARIANTS = {
    "mse": {"plc": False, "loss": "mse"},
    "plc": {},
    "plc_free_running": {"rollout": "free_running"},
}


def rows() -> Iterator[dict]:
    """Yields a row for every variant; compilation is not counted.

    `over_mse` is the median, over the rounds, of the variant's CPU seconds divided by those of the
    step without the channel in the same round; its quartiles are given too. `cpu_seconds` counts
    all threads.
    """
    values = mlsf.get_config(f"fingerspelling,{SIZE.value}").to_dict()
    values["data"]["languages"] = tuple(LANGUAGES.value)
    config = read_config(values)
    groups = [make_group(config, code) for code in config.data.languages]
    runs, lanes = {}, config.data.languages
    for name in (name for name in VARIANTS if name in {"mse", *CHOSEN.value}):
        rl = dataclasses.replace(config.rl, **VARIANTS[name])
        varied = dataclasses.replace(config, rl=rl)
        data, rows = MlsfTask(varied).train_data(lanes, groups), range(varied.batch_rows[0])
        batches = [data.batch(n, range(len(lanes)), rows) for n in range(STEPS.value)]
        runs[name] = Steps(varied, batches)
        runs[name].make(2)  # compiles
    spent = {name: [] for name in runs}
    for _ in range(ROUNDS.value):
        for name, run in runs.items():
            spent[name].append(timed(lambda run=run: run.make(STEPS.value)))
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
