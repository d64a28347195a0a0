"""Puts the figures of several runs' reports into the README or another page, between two marks."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from signllm_jax.artifacts.group import write_file
from signllm_jax.artifacts.report_file import read_report
from signllm_jax.core import markdown as md
from signllm_jax.core.errors import DataError
from signllm_jax.corpora.published import is_spelled
from signllm_jax.eval.pages import PRODUCTIONS, UNDERSTOOD
from signllm_jax.eval.report import ALL, MAIN, TEXT_STAGE, Report
from signllm_jax.metrics.catalogue import cell, spread_cell, table_of_runs
from signllm_jax.metrics.spread import spread

BLOCK = "results"
PROMPTED = (
    *(name for name in UNDERSTOOD if name.endswith(("prompts", "language_accuracy", "match"))),
    "dtw_mean_pose_ratio",
    "true_langgloss.dtw_mean_pose_ratio",
    *("cer", "cer_real", "hand_travel_ratio"),
)
READING = ("exact_match", "cer", "wer")


def read_reports(workdirs: Sequence[str]) -> list[dict]:
    """The report.json of every run, or the report file that is named itself (`ensemble.json`).

    Raises DataError naming the first that is missing or no report.
    """
    paths = map(Path, workdirs)
    return [read_report(p if p.suffix == ".json" else p / "report.json") for p in paths]


def table(reports: Sequence[dict]) -> str:
    """A Markdown table: languages by metrics, mean and standard deviation over the reports."""
    runs = [Report.from_dict(report) for report in reports]
    first = runs[0]
    if MAIN not in first.rows:
        return _text_stages(runs)
    rows = [(code or "**all**", [run.flat(code) for run in runs]) for code in (*first.codes, ALL)]
    names = PROMPTED if TEXT_STAGE in first.rows else PRODUCTIONS
    if names is PRODUCTIONS and "exact_match" in first.flat() and "dtw" not in first.flat():
        names = READING
        rows += [  # baselines that know nothing about signing
            (f"*{row.replace('_', ' ')} text*", [run.rows[row][ALL] for run in runs])
            for row in first.rows
            if row != MAIN
        ]
    return table_of_runs("", names, rows)


def _text_stages(runs: Sequence[Report]) -> str:
    """BLEU-4 of each language by the kind of model.

    There is a column for models of one language, for models of several, and for ensembles; models
    of the same kind and languages are seeds. Tokens with another language's mark are summed.
    """
    kinds: dict[tuple[int, int], list[Report]] = {}
    for run in runs:
        models = len(run.facts["run"]["ensemble"]) + 1
        kinds.setdefault((len(run.codes), models), []).append(run)
    heads = [
        ("a model of its own" if several == 1 else f"one model of {several} languages")
        + (f", {models} averaged" if models > 1 else "")
        for several, models in kinds
    ]
    lines = []
    for code in dict.fromkeys(code for run in runs for code in run.codes):
        by_kind = [[r.flat(code) for r in kind if code in r.codes] for kind in kinds.values()]
        metrics = list(itertools.chain(*by_kind))
        texts = max(run["text_stage.texts"] for run in metrics)
        foreign = sum(run["text_stage.foreign_marks"] for run in metrics)
        cells = [spread_cell(kind, "text_stage.bleu4") for kind in by_kind]
        lines.append([code, str(texts), *cells, str(foreign)])
    return md.table(["", "texts", *heads, "tokens of another language"], lines)


def _text_runs(reports: Sequence[dict]) -> str:
    """A table of the runs of text stages: data set, seed, steps, BLEU on dev and test, cost."""
    lines = []
    for report in reports:
        run, stage = report["run"], report["text_stage"]
        if not run["ensemble"]:
            (dev,) = (100 - group["dev_score"] for group in run["groups"].values())
            figures = f"{dev:.2f}", cell(stage, "bleu4"), f"{run['cpu_seconds']:.0f}"
            name = f"{run['dataset']}: {', '.join(stage['languages'])}"
            lines.append([name, str(run["seed"]), str(run["steps"]), *figures])
    return md.table(["run", "seed", "steps", "dev", "test", "CPU seconds"], lines)


def summary(reports: Sequence[dict]) -> str:
    """The table, and a line about the runs and their costs.

    Raises DataError where the reports are not of one kind, or lack a figure that is shown.
    """
    try:
        return _summary(reports)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the reports cannot stand in one table ({error!r:.200})") from None


def _summary(reports: Sequence[dict]) -> str:
    if "overall" not in reports[0]:
        return f"{table(reports)}\n\n{_text_runs(reports)}"
    runs = [report["run"] for report in reports]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(runs[0]["versions"].items()))
    what = "Test words" if is_spelled(runs[0]["dataset"]) else "Test clips"
    spoken = ""
    if stage := reports[0].get("text_stage"):
        what = "Words and templates"
        shares = (
            f"{code} {spread([r['text_stage']['spoken'][code] for r in reports], '.1%')}"
            for code in stage["spoken"]
        )
        right = "LangGloss right by the spoken language of the prompt"
        spoken = f"\n{right}: {', '.join(shares)}.\n"
    seeds = ", ".join(str(run["seed"]) for run in runs)
    return (
        f"{table(reports)}\n{spoken}\n{what} never trained on, mean ± standard deviation over "
        f"seeds {seeds}; {runs[0]['steps']} steps. {cost(reports)} Versions: {versions}."
    )


def cost(reports: Sequence[dict]) -> str:
    """A sentence about the seconds of training and of the whole command, and the hardware.

    The hardware is that of the first run. Raises DataError where a report lacks the figures.
    """
    try:
        wall, cpu, total = (
            spread([report["run"][name] for report in reports], ".0f")
            for name in ("seconds", "cpu_seconds", "total_cpu_seconds")
        )
        hardware = ", ".join(f"{k} {v}" for k, v in reports[0]["run"]["hardware"].items())
    except (KeyError, TypeError) as error:
        raise DataError(f"the reports do not say what the runs took ({error!r:.200})") from None
    return (
        f"Training took {cpu} CPU seconds ({wall} s of wall time), the whole command with the "
        f"report {total} CPU seconds. Hardware: {hardware}."
    )


def marks(block: str = BLOCK) -> tuple[str, str]:
    """The two lines between which a page holds figures; a page may have several such blocks."""
    return f"<!-- {block}:start -->", f"<!-- {block}:end -->"


def write_readme(readme: str, text: str, block: str = BLOCK) -> None:
    """Replaces the text between the marks; raises DataError when they are missing."""
    path, (start, end) = Path(readme), marks(block)
    try:
        held = path.read_text()
        before, rest = held.split(start)
        _, after = rest.split(end)
    except (OSError, ValueError) as error:
        raise DataError(f"{readme}: no place for results between {start} and {end}") from error
    write_file(path, f"{before}{start}\n{text}\n{end}{after}".encode())
