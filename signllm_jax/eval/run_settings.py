"""A table of runs that differ in a few settings: the settings, dev score and cost."""

import os
from collections.abc import Sequence

from flax import traverse_util

from signllm_jax.artifacts.group import load_group
from signllm_jax.artifacts.run_files import read_final
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import markdown as md
from signllm_jax.core.config import to_dict
from signllm_jax.core.errors import DataError

APART = ("name", "train.seed", "data.data_dir", "eval", "log", "checkpoint", "mesh")
"""Settings, and sections of them, that do not change what is learned."""


def settings_table(workdirs: Sequence[str | os.PathLike]) -> str:
    """A Markdown table with a row for each run: settings, seed, steps, dev score, CPU seconds.

    The settings are those of the first run that are not the same in all runs. The dev score is what
    `launch/train.py` prints, for text to gloss 100 - BLEU-4. Lower is better.

    Args:
        workdirs: Runs of one kind of model that have ended.

    Raises:
        CheckpointError: There is no run in a folder.
        DataError: The runs are of several kinds, or one has not ended.
    """
    configs = [Workdir(path).read_config()[0] for path in workdirs]
    if len({config.task for config in configs}) > 1:
        raise DataError("the runs are of several kinds of models: their scores are not comparable")
    flat = [traverse_util.flatten_dict(to_dict(config), sep=".") for config in configs]
    names = [name for name in flat[0] if len({repr(values.get(name)) for values in flat}) > 1]
    names = [name for name in names if not f"{name}.".startswith(tuple(f"{x}." for x in APART))]
    rows = []
    for path, config, values in zip(workdirs, configs, flat):
        final = read_final(Workdir(path).path)
        if final is None:
            raise DataError(f"{os.fspath(path)}: has not ended: {config.train.steps} steps")
        settings = ", ".join(f"{name} {values.get(name)}" for name in names) or "all alike"
        groups = sorted(Workdir(path).path.joinpath("groups").iterdir())
        scores = [load_group(folder, with_params=False).dev_score for folder in groups]
        dev = ", ".join("–" if score is None else f"{score:.2f}" for score in scores)
        seconds = "–" if final.cpu_seconds is None else f"{final.cpu_seconds:.0f}"
        rows.append([settings, str(config.train.seed), str(final.step), dev, seconds])
    return md.table(["settings", "seed", "steps", "dev ↓", "CPU s"], rows)
