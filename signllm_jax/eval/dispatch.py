"""Evaluates a run by the report of its kind of model and sums up the main figures."""

import inspect
import os

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import get_info, resolve


def evaluate_run(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    data_dir: str | None = None,
    **options,
) -> str:
    """Writes the report of a run and returns its summary.

    Args:
        workdir: Work directory of the run.
        split: Split that is evaluated.
        output: File of the report, by default report.json in the work directory.
        data_dir: Folder of the prepared data, by default the run's.
        options: Keyword arguments of the run's report, named like the flags of
            launch/evaluate.py; None and empty values count as not given.

    Raises:
        ConfigError: An option has no meaning for the run; other errors as the reports raise them.
    """
    from signllm_jax.eval.pages import summary
    from signllm_jax.eval.report import Report

    config, _ = Workdir(workdir).read_config()
    evaluate = resolve(get_info(config.task).report)
    given = {key: value for key, value in options.items() if value not in (None, [], (), "")}
    for key in given:
        if key not in inspect.signature(evaluate).parameters:
            raise ConfigError(f"--{key}: has no meaning for {workdir}, a run of {config.task}")
    report = evaluate(workdir, split, output, data_dir=data_dir, **given)
    return summary(Report.from_dict(report))
