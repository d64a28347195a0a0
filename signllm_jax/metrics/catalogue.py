"""The catalogue of metrics: titles, number formats and directions, and tables of figures.

The judged row of a report names its metrics as they are; the other rows put their name before it,
as in `unaided.exact_match`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from signllm_jax.core import markdown
from signllm_jax.metrics.spread import spread

LOWER, HIGHER, ONE = "↓", "↑", "→ 1"
"""Directions: which figures are better."""


class Metric(NamedTuple):
    """A figure of a report; docs/metrics.md has the units.

    Attributes:
        title: Head of its column.
        form: Format specification of its numbers.
        better: Direction in which it gets better, empty where it has none.
    """

    title: str
    form: str
    better: str = LOWER


METRICS: dict[str, Metric] = {
    "clips": Metric("clips", "d", ""),
    "texts": Metric("texts", "d", ""),
    "prompts": Metric("prompts", "d", ""),
    "dtw": Metric("DTW", ".4f"),
    "dtw_mean_pose_ratio": Metric("DTW / mean pose", ".3f"),
    "dtw_other_clip_ratio": Metric("DTW / other clip", ".3f"),
    "dtw_mje": Metric("DTW-MJE", ".4f"),
    "ndtw_mje": Metric("nDTW-MJE", ".3f"),
    "progressive_dtw": Metric("progressive DTW", ".3f"),
    "mje": Metric("MPJPE", ".4f"),
    "pa_mpjpe_body": Metric("PA-MPJPE body", ".4f"),
    "pa_mpjpe_hands": Metric("PA-MPJPE hands", ".4f"),
    "velocity_error": Metric("velocity", ".4f"),
    "acceleration_error": Metric("acceleration", ".4f"),
    "hand_travel_ratio": Metric("hand travel", ".3f", ONE),
    "wrist_travel_ratio": Metric("wrist travel", ".3f", ONE),
    "smooth_travel_ratio": Metric("travel, smoothed", ".2f", ONE),
    "smooth_speed_ratio": Metric("speed, smoothed", ".2f", ONE),
    "hand_speed_ratio": Metric("hand speed", ".2f", ONE),
    "jerk_ratio": Metric("jerk", ".2f", ONE),
    "tstd_ratio": Metric("tstd / real", ".2f", ONE),
    "dtw_expected": Metric("expected DTW", ".3f"),
    "dtw_best": Metric("best DTW", ".3f"),
    "diversity_ratio": Metric("diversity / real", ".2f", ONE),
    "tau1": Metric("τ1", ".2f", ONE),
    "tau2": Metric("τ2", ".2f", ONE),
    "tau3": Metric("τ3", ".2f", HIGHER),
    "mixed_hands": Metric("mixed hands", ".1%"),
    "left_handed": Metric("left-handed", ".1%", ""),
    "left_handed_real": Metric("left-handed, real", ".1%", ""),
    "joints_missing": Metric("joints missing", ".1%"),
    "frechet": Metric("Fréchet", ".3f"),
    "duration_ratio": Metric("duration", ".3f", ONE),
    "collapse": Metric("collapse", "", ""),
    "unproduced": Metric("not produced", "d"),
    "cer": Metric("CER", ".1%"),
    "cer_real": Metric("CER, real clips", ".1%"),
    "doubled": Metric("doubled letters", "d", ""),
    "doubled_lost": Metric("of these lost", ".1%"),
    "wer": Metric("WER", ".1%"),
    "exact_match": Metric("read right", ".1%", HIGHER),
    "accuracy": Metric("accuracy", ".1%", HIGHER),
    "bleu1": Metric("BLEU-1", ".2f", HIGHER),
    "bleu2": Metric("BLEU-2", ".2f", HIGHER),
    "bleu3": Metric("BLEU-3", ".2f", HIGHER),
    "bleu4": Metric("BLEU-4", ".2f", HIGHER),
    "rouge_l": Metric("ROUGE", ".2f", HIGHER),
    "chrf": Metric("chrF", ".2f", HIGHER),
    "text_stage.texts": Metric("texts", "d", ""),
    "text_stage.prompts": Metric("prompts", "d", ""),
    "text_stage.bleu4": Metric("BLEU-4 of LangGloss", ".2f", HIGHER),
    "text_stage.chrf": Metric("chrF of LangGloss", ".2f", HIGHER),
    "text_stage.language_accuracy": Metric("language right", ".1%", HIGHER),
    "unaided.language_accuracy": Metric("language right, unaided", ".1%", HIGHER),
    "text_stage.exact_match": Metric("LangGloss right", ".1%", HIGHER),
    "text_stage.accuracy": Metric("accuracy of signs", ".1%", HIGHER),
    "unaided.exact_match": Metric("LangGloss right, unaided", ".1%", HIGHER),
    "text_stage.foreign_marks": Metric("tokens of another language", "d"),
    "true_langgloss.dtw_mean_pose_ratio": Metric("DTW / mean pose, true LangGloss", ".3f"),
}
"""Name in report.json -> the metric, in the order of the columns of a table."""


def heading(name: str) -> str:
    """The title of a metric's column, with the direction in which the metric gets better."""
    metric = METRICS[name]
    return f"{metric.title} {metric.better}".rstrip()


def cell(metrics: Mapping, name: str, intervals: bool = False) -> str:
    """The text of a metric in a table, with its interval where that is asked for and known."""
    if name not in metrics:
        return markdown.MISSING
    form = METRICS[name].form
    text = format(metrics[name], form)
    if intervals and f"{name}_low" in metrics:
        low, high = (format(metrics[f"{name}_{end}"], form) for end in ("low", "high"))
        text += f" [{low}, {high}]"
    return text


def spread_cell(metrics: Sequence[Mapping], name: str) -> str:
    """Mean ± standard deviation of a metric over several runs."""
    values = [figures[name] for figures in metrics if name in figures]
    if values and METRICS[name].form == "d" and len(set(values)) == 1:
        return str(values[0])
    return spread(values, METRICS[name].form.replace("d", ".0f"))


def known(names: Iterable[str], metrics: Iterable[Mapping]) -> list[str]:
    """The names that at least one of the flat metrics has, in their order."""
    names_of_metrics = set().union(*metrics)
    return [name for name in names if name in names_of_metrics]


def table(
    head: str, names: Iterable[str], rows: Sequence[tuple[str, Mapping]], intervals: bool = False
) -> str:
    """A Markdown table of figures.

    Args:
        head: Title of the first column.
        names: Metrics; one that no row has is left out.
        rows: Name and flat metrics of each row.
        intervals: Whether bootstrap intervals follow the numbers.
    """
    shown = known(names, (metrics for _, metrics in rows))
    lines = ([title, *(cell(metrics, n, intervals) for n in shown)] for title, metrics in rows)
    return markdown.table([head, *map(heading, shown)], lines)


def table_of_runs(
    head: str, names: Iterable[str], rows: Sequence[tuple[str, Sequence[Mapping]]]
) -> str:
    """A Markdown table of means and standard deviations; each row has the metrics of all runs."""
    shown = known(names, (metrics for _, runs in rows for metrics in runs))
    lines = ([title, *(spread_cell(runs, name) for name in shown)] for title, runs in rows)
    return markdown.table([head, *map(heading, shown)], lines)
