"""The figures of a report: one number a clip and row in, flat metrics with intervals out."""

from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.core.errors import ConfigError
from signllm_jax.metrics.pairs import score_clips, summarize
from signllm_jax.metrics.text_metrics import cer, score_texts
from signllm_jax.poses.clip import PoseClip

RESAMPLES = 1000
BRIEF = ("dtw", "hand_travel", "duration_ratio")
"""The metrics of rows other than the production: all that their tables show."""


def score_row(
    references: Sequence[PoseClip], clips: Sequence[PoseClip | None], only: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Scores [N] of a row whose clips may be missing (None: all of its scores are NaN).

    Beside the metrics of `score_clips`, `seconds` and `seconds_reference`.
    """
    there = [i for i, clip in enumerate(clips) if clip is not None]
    scores = {
        "seconds": np.full(len(clips), np.nan),
        "seconds_reference": np.full(len(clips), np.nan),
    }
    if not there:
        return scores
    found = score_clips([references[i] for i in there], [clips[i] for i in there], only)
    for name, values in found.items():
        scores[name] = np.full(len(clips), np.nan, np.float64)
        scores[name][there] = values
    for i in there:
        scores["seconds"][i] = len(clips[i]) / clips[i].fps
        scores["seconds_reference"][i] = len(references[i]) / references[i].fps
    return scores


def leave_out(scores: dict[str, np.ndarray], seconds: np.ndarray) -> None:
    """Takes clips without an end out of every distance; how long they last and move is kept.

    Args:
        scores: of the row, which is changed.
        seconds: float [N], how long such a clip lasts; NaN for all others.
    """
    endless = np.isfinite(seconds)
    for name, values in scores.items():
        if name == "seconds":
            scores[name] = np.where(endless, seconds, values)
        elif "travel" not in name and name not in ("seconds_reference", "duration_ratio"):
            scores[name] = np.where(endless, np.nan, values)


def character_edits(texts: Sequence[str], read: Sequence[str | None]) -> np.ndarray:
    """float64 [N]: edits between each text and what was read (NaN where None)."""
    try:
        from rapidfuzz.distance import Levenshtein  # what jiwer counts with
    except ImportError:
        raise ConfigError("rapidfuzz is missing: pip install 'signllm_jax[demo]'") from None
    pairs = zip(texts, read)
    return np.array([np.nan if r is None else Levenshtein.distance(t, r) for t, r in pairs])


def interval(
    top: np.ndarray, bottom: np.ndarray, seed: int, level: float = 0.95
) -> tuple[float, float] | None:
    """The bootstrap interval of sum(top) / sum(bottom) over resampled clips (percentile method).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13. None for
    fewer than two clips.
    """
    if len(top) < 2:
        return None
    random = np.random.default_rng(seed)
    totals = np.zeros((2, RESAMPLES))
    for start in range(0, RESAMPLES, 100):  # bounds the table of drawn clips
        drawn = random.integers(len(top), size=(100, len(top)))
        totals[:, start : start + 100] = top[drawn].sum(1), bottom[drawn].sum(1)
    ratios = totals[0, totals[1] > 0] / totals[1, totals[1] > 0]
    if not len(ratios):
        return None
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _ratio(metrics: dict, name: str, top: np.ndarray, bottom: np.ndarray, seed=None) -> None:
    """Adds sum(top) / sum(bottom) over the clips that have both, with its interval."""
    both = np.isfinite(top) & np.isfinite(bottom)
    top, bottom = top[both].astype(np.float64), bottom[both].astype(np.float64)
    if bottom.sum() <= 0:
        return
    metrics[name] = float(top.sum() / bottom.sum())
    bounds = None if seed is None else interval(top, bottom, seed)
    if bounds:
        metrics[f"{name}_low"], metrics[f"{name}_high"] = bounds


def flat_metrics(
    rows: Mapping[str, dict[str, np.ndarray]],
    row: str,
    chosen: np.ndarray,
    texts: Sequence[str],
    read: Mapping[str, Sequence[Sequence[str | None]]] | None,
    seed: int,
    letters: bool = True,
) -> dict[str, float]:
    """The flat metrics of a row over the clips `chosen` (one language's, or all: pooled).

    Args:
        rows: scores [N] of every row.
        row: which one.
        chosen: indices of clips.
        texts: the N texts.
        read: row -> evaluator -> the N texts it read (None where there is no clip); or None.
        seed: of the intervals.
        letters: whether words are spelled; where they are not, BLEU, chrF, ROUGE-L, WER and the
            share of texts that are right as a whole stand beside CER.

    Returns:
        What has a meaning: the metrics of `summarize`; `dtw_mean_pose_ratio` and
        `dtw_other_clip_ratio` (mean DTW distance by that of the mean pose and of another clip),
        `duration_ratio` as total over total, `cer` (mean over evaluators), each ratio with its 95%
        bootstrap interval as `<name>_low` and `<name>_high`.
    """
    scores = {name: values[chosen] for name, values in rows[row].items()}
    if "dtw" not in scores:
        return {}
    there = np.isfinite(scores["seconds"])
    seconds = {name: scores.pop(name) for name in ("seconds", "seconds_reference")}
    metrics = summarize({name: values[there] for name, values in scores.items()})
    if row == "produced":
        for name, against in (
            ("dtw_mean_pose_ratio", "mean_pose"),
            ("dtw_other_clip_ratio", "random_other"),
        ):
            if "dtw" in rows[against]:
                _ratio(metrics, name, scores["dtw"], rows[against]["dtw"][chosen], seed)
    metrics.pop("duration_ratio", None)
    _ratio(metrics, "duration_ratio", seconds["seconds"], seconds["seconds_reference"])
    if read is not None:
        metrics |= _text_scores(row, chosen, texts, read[row], seed, letters)
    return metrics


def _text_scores(row, chosen, texts, readers, seed, letters) -> dict[str, float]:
    """Means over evaluators; those of the real clips end in `_real`."""
    suffix = "_real" if row == "ground_truth" else ""
    references = [texts[i] for i in chosen if readers[0][i] is not None]
    if not references:
        return {}
    edits, scores = [], []
    for read in readers:
        produced = [read[i] for i in chosen if read[i] is not None]
        edits.append(character_edits(references, produced))
        if letters:
            scores.append({"cer": cer(produced, references)})
        else:
            scores.append(score_texts(produced, references)[0])
    metrics = {name + suffix: float(np.mean([s[name] for s in scores])) for name in scores[0]}
    size = np.array([len(text) for text in references], np.float64)
    bounds = interval(np.mean(edits, axis=0), size, seed)
    if bounds:
        name = "cer" + suffix
        metrics[f"{name}_low"], metrics[f"{name}_high"] = bounds
    return metrics
