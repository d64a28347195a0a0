"""Puts the figures of several runs' reports into the README or another page, between two marks."""

import json
from collections.abc import Sequence
from pathlib import Path

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError
from signllm_jax.eval.text_results import prompt_table, spoken_line, text_runs, text_table
from signllm_jax.metrics.spread import spread

BLOCK = "results"

# report name -> (column, how a number is written)
COLUMNS = {
    "cer": ("CER, produced", "{:.1%}"),
    "cer_real": ("CER, real clips", "{:.1%}"),
    "dtw_mean_pose_ratio": ("DTW / mean pose", "{:.3f}"),
    "dtw_other_clip_ratio": ("DTW / other word", "{:.3f}"),
    "hand_travel_ratio": ("hand travel", "{:.3f}"),
    "duration_ratio": ("duration", "{:.3f}"),
}
READING = {
    "exact_match": ("read right", "{:.1%}"),
    "cer": ("CER", "{:.2%}"),
    "wer": ("WER", "{:.1%}"),
}
"""The columns of reports of readers, which produce nothing."""


def read_reports(workdirs: Sequence[str]) -> list[dict]:
    """The report.json of every run, or the report that is named itself (`ensemble.json`).

    Raises DataError naming the first that is missing.
    """
    reports = []
    for workdir in workdirs:
        path = Path(workdir)
        path = path if path.suffix == ".json" else path / "report.json"
        try:
            reports.append(json.loads(path.read_text()))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: no readable report ({error})") from None
    return reports


def table(reports: Sequence[dict]) -> str:
    """A Markdown table: languages by metrics, mean and standard deviation over the reports."""
    if "text_stage" in reports[0]:
        return (prompt_table if "rows" in reports[0] else text_table)(reports)
    kinds = reports[0]["overall"]
    columns = READING if "exact_match" in kinds and "dtw" not in kinds else COLUMNS
    heads = [head for head, _ in columns.values()]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    rows = [(code, [r["languages"][code] for r in reports]) for code in reports[0]["languages"]]
    rows.append(("**all**", [report["overall"] for report in reports]))
    if columns is READING:  # what knows nothing of signing
        rows += [
            (
                f"*{row.replace('_', ' ')} text*",
                [report["rows"][row]["overall"] for report in reports],
            )
            for row in reports[0]["rows"]
        ]
    for name, figures in rows:
        cells = [
            spread([f[key] for f in figures if key in f], form)
            for key, (_, form) in columns.items()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(reports: Sequence[dict]) -> str:
    """The table, and a line about what the runs were and what they cost."""
    if "text_stage" in reports[0] and "rows" not in reports[0]:
        return f"{table(reports)}\n\n{text_runs(reports)}"
    runs = [report["run"] for report in reports]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(runs[0]["versions"].items()))
    hardware = runs[0]["hardware"]
    said = ", ".join(f"{k} {v}" for k, v in hardware.items())
    what = "Test words" if runs[0]["dataset"].startswith("fingerspelling") else "Test clips"
    prompted = "text_stage" in reports[0]
    if prompted:
        what = "Words and templates"
    lines = [
        table(reports),
        *(["", spoken_line(reports)] if prompted else []),
        "",
        f"{what} never trained on, mean ± standard deviation over seeds "
        f"{', '.join(str(run['seed']) for run in runs)}; {runs[0]['steps']} steps. Training took "
        f"{spread([run['cpu_seconds'] for run in runs], '{:.0f}')} CPU seconds "
        f"({spread([run['seconds'] for run in runs], '{:.0f}')} s of wall time), "
        f"the whole command with the report "
        f"{spread([run['total_cpu_seconds'] for run in runs], '{:.0f}')} CPU seconds. "
        f"Hardware: {said}. Versions: {versions}.",
    ]
    return "\n".join(lines)


def marks(block: str = BLOCK) -> tuple[str, str]:
    """The two lines between which a page holds figures; a page may have several such blocks."""
    return f"<!-- {block}:start -->", f"<!-- {block}:end -->"


def write_readme(readme: str, text: str, block: str = BLOCK) -> None:
    """Replaces what stands between the marks; raises DataError when they are missing."""
    path, (start, end) = Path(readme), marks(block)
    try:
        held = path.read_text()
        before, rest = held.split(start)
        _, after = rest.split(end)
    except (OSError, ValueError) as error:
        raise DataError(f"{readme}: no place for results between {start} and {end}") from error
    write_file(path, f"{before}{start}\n{text}\n{end}{after}".encode())
