"""A report for people: Markdown tables out of what report.json holds."""

from collections.abc import Mapping, Sequence

from signllm_jax.core.languages import get_language
from signllm_jax.eval import paper_table
from signllm_jax.eval.baselines import ROWS
from signllm_jax.metrics.text_metrics import SHORT

# metric -> (column, how a number is written)
_MAIN = {
    "dtw_mean_pose_ratio": ("DTW / mean pose", "{:.3f}"),
    "dtw_other_clip_ratio": ("DTW / other clip", "{:.3f}"),
    "cer": ("CER", "{:.1%}"),
    "cer_real": ("CER, real clips", "{:.1%}"),
    "exact_match": ("exact", "{:.1%}"),
    "bleu4": ("BLEU-4", "{:.2f}"),
    "hand_travel_ratio": ("hand travel", "{:.3f}"),
    "duration_ratio": ("duration", "{:.3f}"),
}
_ROW = {
    "dtw": ("DTW", "{:.4f}"),
    "cer": ("CER", "{:.1%}"),
    "wer": ("WER", "{:.1%}"),
    "bleu4": ("BLEU-4", "{:.2f}"),
    "hand_travel_ratio": ("hand travel", "{:.3f}"),
    "duration_ratio": ("duration", "{:.3f}"),
}
_TEXT = {
    "bleu4": ("BLEU-4", "{:.2f}"),
    "bleu3": ("BLEU-3", "{:.2f}"),
    "bleu2": ("BLEU-2", "{:.2f}"),
    "bleu1": ("BLEU-1", "{:.2f}"),
    "rouge_l": ("ROUGE", "{:.2f}"),
    "chrf": ("chrF", "{:.2f}"),
    "wer": ("WER", "{:.1%}"),
    "exact_match": ("exact", "{:.1%}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "dtw": ("DTW", "{:.4f}"),
}
POSE = {
    "dtw": ("DTW", "{:.4f}"),
    "dtw_mje": ("DTW-MJE", "{:.4f}"),
    "ndtw_mje": ("nDTW-MJE", "{:.3f}"),
    "progressive_dtw": ("progressive DTW", "{:.3f}"),
    "mje": ("MPJPE", "{:.4f}"),
    "pa_mpjpe_body": ("PA-MPJPE body", "{:.4f}"),
    "pa_mpjpe_hands": ("PA-MPJPE hands", "{:.4f}"),
    "velocity_error": ("velocity", "{:.4f}"),
    "acceleration_error": ("acceleration", "{:.4f}"),
    "wrist_travel_ratio": ("wrist travel", "{:.3f}"),
}


def markdown(report: Mapping, other: Mapping | None = None) -> str:
    """report.md from what report.json holds, and the other split's report where there is one."""
    run, split = report["run"], report["split"]
    names = {code: get_language(code).name for code in report["languages"]}
    parts = [
        f"# {run['name']} on {run['dataset']}, {split}",
        f"{report['overall'].get('clips', 0)} clips of {len(names)} "
        f"language{'s' if len(names) > 1 else ''}, "
        + (
            "another system's predictions"
            if "predictions" in report
            else "produced from text alone"
        )
        + ". In brackets: 95% bootstrap interval over clips.",
        *(f"> **Note.** {line}" for line in report["warnings"]),
        "## Productions",
        table(
            "",
            _MAIN,
            [*((f"{names[c]} ({c})", m) for c, m in report["languages"].items())]
            + [("**all clips**", report["overall"])],
            intervals=True,
        ),
        "DTW / mean pose: the mean DTW distance of the productions by that of the train mean pose, "
        "held as long as the real clip; 0 is the real clip, 1 no better than holding still. DTW / "
        "other clip: by that of a random other clip of the split. CER: character error rate of the "
        "reader on productions, and on real clips of the same texts, the best it can do. Hand "
        "travel and duration: totals by those of the real clips.",
        *_texts(report, names),
        *paper_table.section(report, other),
        "## Against reference rows",
        "### All languages",
        _rows(report, None),
    ]
    for code, name in names.items():
        parts += [f"### {name} ({code})", _rows(report, code)]
    parts += [
        "DTW is the mean over clips of the Euclidean distance of a frame's joints in shoulder "
        "widths, summed along the best path and divided by the longer clip's frames. The nearest "
        "train clip is the one whose text has the least edit distance. The teacher-forced row is "
        "given the real frames before each patch, hence also the real length.",
        "## Pose metrics of the productions",
        table(
            "",
            POSE,
            [*report["languages"].items(), ("**all clips**", report["overall"])],
        ),
        "Lengths in shoulder widths. Definitions and sources: `signllm_jax/metrics/pose_metrics.py`.",
        *(f"![{name}]({path})" for name, path in report["pictures"].items()),
        *misread(report),
        *excluded(report),
        *readers(run["evaluators"]),
        "## Run",
        facts(run),
    ]
    return "\n\n".join(parts) + "\n"


def _number(metrics: Mapping, name: str, form: str, intervals: bool = False) -> str:
    if name not in metrics:
        return "–"
    said = form.format(metrics[name])
    if intervals and f"{name}_low" in metrics:
        low, high = (form.format(metrics[f"{name}_{end}"]) for end in ("low", "high"))
        said += f" [{low}, {high}]"
    return said


def table(
    head: str,
    columns: Mapping[str, tuple[str, str]],
    rows: Sequence[tuple[str, Mapping]],
    intervals: bool = False,
) -> str:
    """A Markdown table.

    Args:
        head: title of the first column.
        columns: metric -> (title, how a number is written); one that no row has is left out.
        rows: (name, flat metrics).
        intervals: whether bootstrap intervals stand beside the numbers.
    """
    columns = {k: v for k, v in columns.items() if any(k in metrics for _, metrics in rows)}
    lines = ["| " + " | ".join([head, *(title for title, _ in columns.values())]) + " |"]
    lines.append("|---" + "|---:" * len(columns) + "|")
    for name, metrics in rows:
        cells = [_number(metrics, k, form, intervals) for k, (_, form) in columns.items()]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def _rows(report: Mapping, code: str | None) -> str:
    def metrics(row):
        of = report if row == "produced" else report["rows"][row]
        values = dict(of["overall"] if code is None else of["languages"][code])
        if row == "ground_truth":
            values |= _as_produced(values)
        return values

    names = ROWS | ({"peer": report["peer"]["name"]} if "peer" in report else {})
    return table("", _ROW, [(name, metrics(row)) for row, name in names.items() if metrics(row)])


def _as_produced(metrics: Mapping) -> dict:
    """The text scores of real clips under the names that productions have them by."""
    return {k.removesuffix("_real"): v for k, v in metrics.items() if k.endswith("_real")}


def _texts(report: Mapping, names: Mapping[str, str]) -> list[str]:
    """The table in the layout of the paper: BLEU and ROUGE of every language, and DTW."""
    if "bleu1" not in report["overall"]:
        return []
    rows = []
    tables = [(f"{names[c]} ({c})", m) for c, m in report["languages"].items()]
    for name, metrics in (*tables, ("**all clips**", report["overall"])):
        rows += [(name, metrics), (f"{name}, real clips", _as_produced(metrics))]
    lacking = [name for name, metrics in rows if "bleu1" in metrics and "bleu4" not in metrics]
    return [
        f"## Back-translation, {report['split'].upper()}",
        table("", _TEXT, rows),
        *([f"BLEU-4 has no meaning for {', '.join(lacking)}: {SHORT}."] if lacking else []),
        f"BLEU and chrF by sacrebleu: `{report['signatures']['bleu']}`, "
        f"`{report['signatures']['chrf']}`.",
        "What the evaluators read, mean over them; the row of real clips is the best that they can "
        "do. Figures of different evaluators cannot be compared.",
    ]


def misread(report: Mapping, head: str = "## Productions that were misread") -> list[str]:
    """The section of the texts that were read wrong, the first dozen of each language."""
    found = {code: pairs for code, pairs in report["misread"].items() if pairs}
    if not found:
        return []
    lines = ["| | text → read |", "|---|---|"]
    for code, pairs in found.items():
        said = ", ".join(f"{text} → {read or '(nothing)'}" for text, read in pairs[:12])
        more = f" and {len(pairs) - 12} more" if len(pairs) > 12 else ""
        lines.append(f"| {code} | {said}{more} |")
    return [head, "\n".join(lines)]


def excluded(report: Mapping) -> list[str]:
    """The section of the clips that were left out, and why."""
    lines = [
        f"- {code}: {count} × {reason}"
        for code, reasons in report["excluded"].items()
        for reason, count in reasons.items()
    ]
    lines += [
        f"- {code}: {count} × {name.removesuffix('_excluded')} has no meaning for the production"
        for code, metrics in report["languages"].items()
        for name, count in metrics.items()
        if name.endswith("_excluded")
    ]
    return ["## Clips left out", "\n".join(lines)] if lines else []


def readers(evaluators: Sequence[Mapping]) -> list[str]:
    """The section that names the evaluators."""
    if not evaluators:
        return []
    errors = ["cer"] if evaluators[0]["memorised_by"] == "cer" else ["cer", "wer"]
    heads = [f"{e.upper()}, {where}" for e in errors for where in ("train", "this split")]
    lines = [
        "| reader | steps | CPU s | " + " | ".join(heads) + " | digest |",
        "|---|---:|---:|" + "---:|" * len(heads) + "---|",
    ]
    for each in evaluators:
        spent = "–" if each["cpu_seconds"] is None else f"{each['cpu_seconds']:.0f}"
        rates = [f"{each[f'{e}_{where}']:.1%}" for e in errors for where in ("train", "real")]
        lines.append(
            f"| {each['kind'].partition(',')[0]}, seed {each['seed']} (`{each['workdir']}`) | "
            f"{each['steps']} | {spent} | {' | '.join(rates)} | `{each['sha256'][:12]}` |"
        )
    return [
        "## Readers",
        "Trained on the real clips of the train split only; errors are on real clips.",
        "\n".join(lines),
    ]


def facts(run: Mapping) -> str:
    """What the run was, what it cost and on what it was done."""
    lines = [f"- seed {run['seed']}, {run['steps']} steps, size {run['size']}"]
    if "cpu_seconds" in run:
        lines.append(f"- training: {run['seconds']:.0f} s, {run['cpu_seconds']:.0f} CPU seconds")
    lines.append(
        f"- this evaluation: {run['evaluation_seconds']:.0f} s, "
        f"{run['evaluation_cpu_seconds']:.0f} CPU seconds, readers trained meanwhile included"
    )
    lines.append("- " + ", ".join(f"{k}: {v}" for k, v in run["hardware"].items()))
    lines.append("- " + ", ".join(f"{k} {v}" for k, v in run["versions"].items()))
    return "\n".join(lines)


def summary(report: Mapping) -> str:
    """A few lines for a terminal: the main figures of every language and all warnings."""
    table = {**report["languages"], "all": report["overall"]}
    width = max(len(code) for code in table)
    columns = {k: v for k, v in _MAIN.items() if any(k in metrics for metrics in table.values())}
    lines = [" " * width + "".join(f"  {title:>16}" for title, _ in columns.values())]
    for code, metrics in table.items():
        cells = [_number(metrics, name, form) for name, (_, form) in columns.items()]
        lines.append(f"{code:{width}}" + "".join(f"  {cell:>16}" for cell in cells))
    return "\n".join([*lines, *(f"note: {line}" for line in report["warnings"])])
