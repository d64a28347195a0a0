"""The demo without reinforcement learning, by both decoders: a table of the page of variety."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.studies.records import rounded
from signllm_jax.artifacts.group import write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core import markdown
from signllm_jax.core.errors import DataError

FIGURES = ("cer", "cer_real", "dtw", "dtw_mean_pose_ratio", "jerk_ratio", "hand_travel_ratio")
"""Figures of a report over all languages."""
COLUMNS = {
    "cpu_seconds": ("CPU s", ".0f"),
    "cer": ("CER", ".2%"),
    "dtw": ("DTW", ".4f"),
    "dtw_mean_pose_ratio": ("DTW / mean pose", ".3f"),
    "jerk_ratio": ("jerk", ".2f"),
}
"""Figure -> head of its column and format of its values."""


def record(workdirs: Iterable[Path], output: Path) -> None:
    """Records the reports of finished runs of `configs/mlsf.py:plain`.

    Args:
        workdirs: Work directories of the runs, each with its report on test.
        output: JSON file with a line for each decoder and seed; the lines of other runs stay.

    Raises:
        DataError: A run has no report, has another data set or kind of learning, or differs from
            the others in languages or steps.
    """
    runs = {(run["decoder"], run["seed"]): run for run in (*read(output), *map(_of_run, workdirs))}
    if len({(run["languages"], run["steps"]) for run in runs.values()}) > 1:
        raise DataError(f"{output}: its runs differ in languages or steps")
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n ".join(json.dumps(runs[key]) for key in sorted(runs))
    write_file(output, f"[{lines}]\n".encode())


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file, none where it is missing; raises DataError where it has no records."""
    if not path.exists():
        return []
    try:
        runs = json.loads(path.read_text("utf-8"))
        if not all({"decoder", "seed", *FIGURES} <= run.keys() for run in runs):
            raise ValueError("a run lacks figures")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path}: is no record of runs ({error!r:.100})") from None
    return runs


def section(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paragraphs of the page on these runs; none without runs."""
    if not runs:
        return []
    first, columns = runs[0], ["decoder", "seeds", *(title for title, _ in COLUMNS.values())]
    rows = [
        _row(decoder, [run for run in runs if run["decoder"] == decoder])
        for decoder in sorted({run["decoder"] for run in runs})
    ]
    return [
        "## One signer",
        f"The demo, `configs/mlsf.py:plain`, has texts of 1 to 16 letters in {first['languages']} "
        f"languages, each by one signer, and {first['steps']} steps. Test is {first['clips']} "
        "clips; the readers' CER on the real ones is "
        f"{statistics.fmean(run['cer_real'] for run in runs):.1%}. Written by "
        "`python launch/study.py variety --plain=RUN,RUN` from the reports of the runs. "
        "Other work on the machine raises CPU seconds.",
        markdown.table(columns, rows),
    ]


def _row(decoder: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    seeds = ", ".join(str(run["seed"]) for run in runs)
    means = {name: statistics.fmean(run[name] for run in runs) for name in COLUMNS}
    return [decoder, seeds, *(format(means[name], form) for name, (_, form) in COLUMNS.items())]


def _of_run(folder: Path) -> dict[str, Any]:
    try:
        report = json.loads((folder / "report.json").read_text("utf-8"))
        overall, split = report["overall"], report["split"]
        spent = json.loads((folder / "final.json").read_text("utf-8"))["cpu_seconds"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder}: has no report of a finished run ({error!r:.100})") from None
    config, languages = Workdir(folder).read_config()
    kind = config.data.dataset, config.rl.loss, config.rl.plc, split
    if kind != ("fingerspelling_texts", "mse", False, "test"):
        raise DataError(f"{folder}: is no run of configs/mlsf.py:plain with its report on test")
    return {
        "decoder": config.model.decoder,
        "seed": config.train.seed,
        "steps": config.train.steps,
        "languages": len(languages),
        "clips": overall["clips"],
        "cpu_seconds": round(spent, 1),
        **{name: rounded(overall[name], 5) for name in FIGURES},
    }
