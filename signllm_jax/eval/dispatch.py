"""Evaluates a run as its kind of model asks for, and says the main figures in a few lines."""

import os
from collections.abc import Sequence

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError


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
    if ensemble and config.task != "text2gloss":
        raise ConfigError("an ensemble is of text stages only")
    if config.task == "text2gloss":
        from signllm_jax.eval import text_report

        report = text_report.evaluate_text(
            workdir, split, output, ensemble=ensemble, data_dir=data_dir
        )
        return text_report.summary(report)
    if config.task == "prompt2langgloss":
        from signllm_jax.eval import prompt_report

        report = prompt_report.evaluate_prompts(workdir, split, output, data_dir=data_dir)
        return prompt_report.summary(report)
    from signllm_jax.eval import report, report_text

    return report_text.summary(
        report.evaluate(workdir, split, output, data_dir=data_dir, **options)
    )
