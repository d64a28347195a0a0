"""Evaluates a run as its kind of model asks for, and says the main figures in a few lines."""

import os
from collections.abc import Sequence

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import get_info, resolve


def evaluate_run(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    data_dir: str | None = None,
    ensemble: Sequence[str] = (),
    **options,
) -> str:
    """Writes the report of a run and returns its summary.

    Args:
        workdir: of the run.
        split: what is evaluated.
        output: report.json, by default in the workdir.
        data_dir: by default the run's.
        ensemble: further runs of a text stage, see `text_report.evaluate_text`.
        options: of `report.evaluate`, for models of poses from text.

    Raises ConfigError when an option has no meaning for the run; others as the reports do.
    """
    config, _ = Workdir(workdir).read_config()
    info = get_info(config.task)
    if ensemble:
        if info.makes_poses or info.reads_poses:
            raise ConfigError("an ensemble is of text stages only")
        options["ensemble"] = ensemble
    return resolve(info.report)(workdir, split, output, data_dir=data_dir, **options)
