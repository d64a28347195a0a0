"""The layout of the paper's tables: DEV and TEST of every language side by side."""

import json
from collections.abc import Mapping
from pathlib import Path

from signllm_jax.core.languages import get_language

_OTHER = {"test": ("dev", "report-dev.json"), "dev": ("test", "report.json")}
_COLUMNS = {
    "bleu4": ("BLEU-4", "{:.2f}"),
    "bleu3": ("BLEU-3", "{:.2f}"),
    "bleu2": ("BLEU-2", "{:.2f}"),
    "bleu1": ("BLEU-1", "{:.2f}"),
    "rouge_l": ("ROUGE", "{:.2f}"),
    "cer": ("CER", "{:.1%}"),
    "dtw": ("DTW", "{:.4f}"),
}
# what must be the same for two reports to stand in one table
_SAME = ("name", "dataset", "seed", "steps")


def other_split(folder: Path, report: Mapping) -> dict | None:
    """The report on dev beside a report on test, or the other way round.

    None where there is none, it cannot be read, or another run or other evaluators made it.
    """
    if "predictions" in report or report["split"] not in _OTHER:
        return None
    split, name = _OTHER[report["split"]]
    try:
        other = json.loads((folder / name).read_text())
        same = other["split"] == split and "predictions" not in other
        same &= all(other["run"][key] == report["run"][key] for key in _SAME)
        same &= _digests(other) == _digests(report)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return other if same else None


def _digests(report: Mapping) -> list[str]:
    return [each["sha256"] for each in report["run"]["evaluators"]]


def section(report: Mapping, other: Mapping | None) -> list[str]:
    """The Markdown section; nothing without the report of the other split."""
    if other is None:
        return []
    dev, test = (report, other) if report["split"] == "dev" else (other, report)
    codes = [code for code in test["languages"] if code in dev["languages"]]
    tables = [(f"{get_language(c).name} ({c})", c) for c in codes] + [("**all clips**", None)]
    rows = [(name, [_of(each, code) for each in (dev, test)]) for name, code in tables]
    shown = {k: v for k, v in _COLUMNS.items() if any(k in m for _, both in rows for m in both)}
    heads = [f"{split} {title}" for split in ("DEV", "TEST") for title, _ in shown.values()]
    lines = ["| | " + " | ".join(heads) + " |", "|---" + "|---:" * len(heads) + "|"]
    for name, both in rows:
        cells = [
            form.format(metrics[key]) if key in metrics else "–"
            for metrics in both
            for key, (_, form) in shown.items()
        ]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return ["## DEV and TEST", "\n".join(lines)]


def _of(report: Mapping, code: str | None) -> Mapping:
    return report["overall"] if code is None else report["languages"][code]
