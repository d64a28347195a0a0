"""The figures of a report: one number per clip and row in, flat metrics with intervals out."""

from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.eval.edits import levenshtein
from signllm_jax.eval.report import ALL
from signllm_jax.metrics.bootstrap import interval
from signllm_jax.metrics.gloss_metrics import score_lines
from signllm_jax.metrics.motion import COLLAPSE
from signllm_jax.metrics.pairs import score_clips, summarize
from signllm_jax.metrics.text_metrics import cer, score_texts
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.langgloss import split_marks

BRIEF = ("dtw", "hand_travel", "duration_ratio")
"""The metrics of rows other than the production: all that their tables show."""
MODEL_ROWS = ("produced", "own_model", "true_langgloss")
"""Rows that are compared with the mean pose and with another clip."""
Ratios = dict[str, tuple[np.ndarray, np.ndarray]]
"""Name of a ratio -> numerator and denominator of each clip."""


def score_row(
    references: Sequence[PoseClip], clips: Sequence[PoseClip | None], only: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Scores [N] of a row whose clips may be missing (None: all of its scores are NaN).

    Beside the metrics of `score_clips`, `seconds` and `seconds_reference`.
    """
    produced = {i: clip for i, clip in enumerate(clips) if clip is not None}
    paired = [references[i] for i in produced]
    values = {
        "seconds": [clip.seconds for clip in produced.values()],
        "seconds_reference": [clip.seconds for clip in paired],
        **(score_clips(paired, list(produced.values()), only) if produced else {}),
    }
    scores = {name: np.full(len(clips), np.nan) for name in values}
    for name in values:
        scores[name][list(produced)] = values[name]
    return scores


def leave_out(scores: dict[str, np.ndarray], seconds: np.ndarray) -> None:
    """Takes clips without an end out of every distance; their durations and travels are kept.

    Args:
        scores: Scores of the row, which are changed.
        seconds: Duration of each clip without an end, float [N]; NaN for all others.
    """
    endless = np.isfinite(seconds)
    for name, values in scores.items():
        if name == "seconds":
            scores[name] = np.where(endless, seconds, values)
        elif "travel" not in name and name not in ("seconds_reference", "duration_ratio"):
            scores[name] = np.where(endless, np.nan, values)


def character_edits(texts: Sequence[str], read: Sequence[str | None]) -> np.ndarray:
    """Number of edits between each text and what was read, float64 [N] (NaN where None)."""
    distance, pairs = levenshtein().distance, zip(texts, read)
    return np.array([np.nan if r is None else distance(t, r) for t, r in pairs])


def mean_metrics(parts: Sequence[Mapping]) -> dict[str, float]:
    """The means of the parts' metrics, each over the parts that have it; counts are summed.

    Intervals are left out.
    """
    if len(parts) == 1:
        return dict(parts[0])
    means = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        if not name.endswith(("_low", "_high")):
            values = [part[name] for part in parts if name in part]
            means[name] = sum(values) if type(values[0]) is int else float(np.mean(values))
    if "collapse" in means:
        means["collapse"] = means["hand_travel_ratio"] < COLLAPSE
    return means


def with_intervals(metrics: dict, parts: Sequence[Ratios], seed: int) -> dict:
    """Adds the bootstrap interval of each ratio that all parts have; returns the metrics.

    Args:
        metrics: Flat metrics, which are changed: `<name>_low` and `<name>_high` are added, neither
            of them where there are too few clips for an interval.
        parts: Ratios of each part, such as a language; parts have equal weights.
        seed: Seed of the resampling.
    """
    for name in parts[0] if parts else ():
        if all(name in part for part in parts):
            bounds = interval([part[name] for part in parts], seed)
            if bounds:
                metrics[f"{name}_low"], metrics[f"{name}_high"] = bounds
    return metrics


def flat_metrics(
    rows: Mapping[str, dict[str, np.ndarray]],
    row: str,
    parts: Sequence[np.ndarray],
    texts: Sequence[str],
    read: Mapping[str, Sequence[Sequence[str | None]]] | None,
    seed: int,
    letters: bool = True,
) -> dict[str, float]:
    """The flat metrics of a row: the means over parts, within each of which clips are pooled.

    Args:
        rows: Scores [N] of every row.
        row: Row that is wanted.
        parts: Indices of clips: those of one language, of all (pooled), or of each language.
        texts: The N texts.
        read: Row -> evaluator -> the N texts it read (None where there is no clip); or None.
        seed: Seed of the intervals.
        letters: Whether words are spelled; where they are not, BLEU, chrF, ROUGE-L, WER and the
            share of texts that are right as a whole stand beside CER.

    Returns:
        What has a meaning: the metrics of `summarize`; `dtw_mean_pose_ratio` and
        `dtw_other_clip_ratio` (mean DTW distance by that of the mean pose and of another clip),
        `duration_ratio` as total over total, `cer` (mean over evaluators), each ratio with its 95%
        bootstrap interval as `<name>_low` and `<name>_high`.
    """
    if "dtw" not in rows[row]:
        return {}
    metrics, ratios = zip(*(_pose_part(rows, row, part) for part in parts))
    if read is not None:
        for i, part in enumerate(parts):
            text_metrics, edits = _text_part(row, part, texts, read[row], letters)
            metrics[i].update(text_metrics)
            ratios[i].update(edits)
    return with_intervals(mean_metrics(metrics), ratios, seed)


def _pose_part(rows, row, chosen) -> tuple[dict[str, float], Ratios]:
    scores = {name: values[chosen] for name, values in rows[row].items()}
    seconds = scores.pop("seconds"), scores.pop("seconds_reference")
    produced = np.isfinite(seconds[0])
    metrics = summarize({name: values[produced] for name, values in scores.items()})
    metrics.pop("duration_ratio", None)
    ratios = {"duration_ratio": seconds}
    for name, baseline in (("mean_pose", "mean_pose"), ("other_clip", "random_other")):
        if row in MODEL_ROWS and "dtw" in rows[baseline]:
            ratios[f"dtw_{name}_ratio"] = scores["dtw"], rows[baseline]["dtw"][chosen]
    kept: Ratios = {}
    for name, (top, bottom) in ratios.items():
        finite = np.isfinite(top) & np.isfinite(bottom)
        top, bottom = top[finite].astype(np.float64), bottom[finite].astype(np.float64)
        if bottom.sum() > 0:
            metrics[name] = float(top.sum() / bottom.sum())
            if name != "duration_ratio":
                kept[name] = top, bottom
    return metrics, kept


def _text_part(row, chosen, texts, readers, letters) -> tuple[dict[str, float], Ratios]:
    """Means over evaluators; those of the real clips end in `_real`."""
    suffix = "_real" if row == "ground_truth" else ""
    references = [texts[i] for i in chosen if readers[0][i] is not None]
    if not references:
        return {}, {}
    produced = [[read[i] for i in chosen if read[i] is not None] for read in readers]
    edits = [character_edits(references, read) for read in produced]
    scores = [
        {"cer": cer(read, references)} if letters else score_texts(read, references)[0]
        for read in produced
    ]
    metrics = {name + suffix: float(np.mean([s[name] for s in scores])) for name in scores[0]}
    size = np.array([len(text) for text in references], np.float64)
    return metrics, {"cer" + suffix: (np.mean(edits, axis=0), size)}


def line_metrics(
    lines: Mapping[str, Sequence[Sequence[str]]],
    glosses: Mapping[str, Sequence[Sequence[str]]],
    seed: int,
    count: str = "",
) -> dict[str, dict[str, float]]:
    """The metrics of LangGloss per language and, under ALL, their means; counts are summed.

    Args:
        lines: Language -> the lines that were written, each a list of marked tokens.
        glosses: Language -> the true glosses of each line.
        seed: Seed of the intervals.
        count: Name of the metric that has the number of lines, if any.
    """
    table, ratios = {}, []
    for code, written in lines.items():
        pairs = [split_marks(line) for line in written]
        marked = np.array([all(mark == code for mark, _ in line) for line in pairs], np.float64)
        written_as = [" ".join(gloss for _, gloss in line) for line in pairs]
        same = [a == " ".join(b) for a, b in zip(written_as, glosses[code], strict=True)]
        counts = np.ones(len(pairs))
        ratios.append(
            {"exact_match": (marked * same, counts), "language_accuracy": (marked, counts)}
        )
        table[code] = score_lines(written, glosses[code], code)
        table[code] |= {count: len(written)} if count else {}
        with_intervals(table[code], ratios[-1:], seed)
    return {ALL: with_intervals(mean_metrics(list(table.values())), ratios, seed), **table}
