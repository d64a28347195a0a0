"""A report for people: Markdown tables out of what report.json holds, and its warnings."""

from collections.abc import Mapping, Sequence

from signllm_jax.config import Config
from signllm_jax.eval.predictions import Predictions
from signllm_jax.eval.rows import ROWS
from signllm_jax.languages import get_language

# metric -> (column, how a number is written)
_MAIN = {
    "dtw_mean_pose_ratio": ("DTW / mean pose", "{:.3f}"),
    "dtw_other_clip_ratio": ("DTW / other clip", "{:.3f}"),
    "cer": ("CER", "{:.1%}"),
    "cer_real": ("CER, real clips", "{:.1%}"),
    "hand_travel_ratio": ("hand travel", "{:.3f}"),
    "duration_ratio": ("duration", "{:.3f}"),
}
_ROW = {
    "dtw": ("DTW", "{:.4f}"),
    "cer": ("CER", "{:.1%}"),
    "hand_travel_ratio": ("hand travel", "{:.3f}"),
    "duration_ratio": ("duration", "{:.3f}"),
}
_POSE = {
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


def warnings(
    config: Config,
    evaluators: Sequence[Mapping],
    metrics: Mapping[str, Mapping[str, float]],
    skipped: Mapping[str, str],
    predictions: Predictions | None = None,
) -> list[str]:
    """What a reader of the figures has to know first.

    Args:
        config: of the run.
        evaluators: what the report says about each back-translation reader.
        metrics: language -> flat metrics, '' = overall.
        skipped: languages without a clip.
        predictions: another system's, where they stand in the place of productions.
    """
    found = []
    if predictions is not None:
        found.append(
            f"What is called produced here are the predictions of {predictions.path}, not of this "
            "run's model; whether they saw a reference is not known here."
        )
        left_out = metrics[""].get("excluded")
        if left_out:
            found.append(
                f"{left_out} references are excluded, most for want of a usable prediction: "
                "compare only with figures on the same clips."
            )
        if predictions.unknown:
            named = ", ".join(predictions.unknown[:5])
            found.append(f"{len(predictions.unknown)} predictions have no reference: {named}.")
        for reason, count in predictions.repairs.items():
            found.append(f"Repaired while the predictions were read: {count} {reason}.")
    if metrics[""].get("collapse"):
        found.append("Collapse: the hands travel less than half as far as in the real clips.")
    for code, values in metrics.items():
        if code and values.get("collapse") and not metrics[""].get("collapse"):
            found.append(
                f"Collapse in {code}: the hands travel less than half as far as they should."
            )
    if not evaluators:
        found.append("No back-translation: there is no reader for this kind of text.")
    elif len(evaluators) < 2:
        found.append(
            "One evaluator only: error rates depend on the reader. Evaluate with two readers of "
            "different seeds or more (--readers=2) before you compare systems."
        )
    for each in evaluators:
        if each["memorised"]:
            found.append(
                f"The reader of seed {each['seed']} has memorised its train clips: "
                f"CER {each['cer_train']:.1%} on those, {each['cer_real']:.1%} on real clips of "
                "this split."
            )
    if metrics[""].get("cut_off"):
        found.append(f"{metrics['']['cut_off']} productions did not end by themselves.")
    found += [f"{code} is skipped: {why}." for code, why in skipped.items()]
    if config.data.dataset == "fingerspelling":
        found.append(
            "There is one recording of each letter: what can be learnt here is to compose letters "
            "to words, not how signers differ. A reference's letters are those of the train clips."
        )
    return found


def markdown(report: Mapping) -> str:
    """report.md from what report.json holds."""
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
        _table(
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
        _table(
            "",
            _POSE,
            [*report["languages"].items(), ("**all clips**", report["overall"])],
        ),
        "Lengths in shoulder widths. Definitions and sources: `signllm_jax/eval/pose_metrics.py`.",
        *(f"![{name}]({path})" for name, path in report["pictures"].items()),
        *_misread(report),
        *_excluded(report),
        *_evaluators(run["evaluators"]),
        "## Run",
        _facts(run),
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


def _table(head: str, columns: Mapping, rows: Sequence, intervals: bool = False) -> str:
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
        if row == "ground_truth" and "cer_real" in values:
            values["cer"] = values["cer_real"]
        return values

    return _table("", _ROW, [(name, metrics(row)) for row, name in ROWS.items() if metrics(row)])


def _misread(report: Mapping) -> list[str]:
    found = {code: pairs for code, pairs in report["misread"].items() if pairs}
    if not found:
        return []
    lines = ["| | text → read |", "|---|---|"]
    for code, pairs in found.items():
        said = ", ".join(f"{text} → {read or '(nothing)'}" for text, read in pairs[:12])
        more = f" and {len(pairs) - 12} more" if len(pairs) > 12 else ""
        lines.append(f"| {code} | {said}{more} |")
    return ["## Productions that were misread", "\n".join(lines)]


def _excluded(report: Mapping) -> list[str]:
    lines = [
        f"- {code}: {count} × {reason}"
        for code, reasons in report["excluded"].items()
        for reason, count in reasons.items()
    ]
    return ["## Clips left out", "\n".join(lines)] if lines else []


def _evaluators(evaluators: Sequence[Mapping]) -> list[str]:
    if not evaluators:
        return []
    lines = [
        "| reader | steps | CPU s | CER, real train clips | CER, real clips here | digest |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for each in evaluators:
        lines.append(
            f"| seed {each['seed']} | {each['steps']} | {each['cpu_seconds']:.0f} | "
            f"{each['cer_train']:.1%} | {each['cer_real']:.1%} | `{each['sha256'][:12]}` |"
        )
    return ["## Readers", "Trained on the real clips of the train split only.", "\n".join(lines)]


def _facts(run: Mapping) -> str:
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
