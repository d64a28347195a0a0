"""The score on dev by which a run keeps its best parameters: a mean pose does not win it.

As soon as signers differ, a mean pose is nearer to a real take than another real take is, so a
distance alone would keep the model that averages. Where texts have several takes, the distribution
of poses and velocities decides (Frechet distance); the DTW distance decides only for data with one
take per text. Where there is a reader, its error is added. Still hands and hidden joints add to the
score in every case. Where texts have several takes, jitter does not count as travel, and a
production need not show the same hand as a take: it must show as many joints as real takes do, or
the choice of the hand would decide.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.core.errors import DataError
from signllm_jax.metrics.frechet import frechet_pose_distance
from signllm_jax.metrics.pairs import held, score_clips, summarize
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.smooth import smoothed

WORST = 1e6
"""The score of productions that cannot be scored; a number, so that any other is better."""


SCORED = ("dtw", "hand_travel", "duration_ratio", "joints_missing")
"""The metrics that are computed; the others are not worth their cost here."""


class Judge:
    """Scores productions of the same real clips again and again.

    Args:
        texts: Normalized texts of the clips.
        references: Real clips, one at least.
        pose: Mean pose of the train split, float32 [J, 3] in shoulder widths.

    Attributes:
        still: The mean pose held as long as each real clip.
    """

    def __init__(self, texts: Sequence[str], references: Sequence[PoseClip], pose: np.ndarray):
        self._texts, self._references = texts, references
        self._has_takes = has_takes(texts)
        self.still = [held(pose, clip) for clip in references]
        self._distance = float(np.nanmean(score_clips(references, self.still, ("dtw",))["dtw"]))
        self._smooth = [smoothed(clip) for clip in references] if self._has_takes else []

    def __call__(
        self, produced: Sequence[PoseClip], read: Sequence[str] | None = None
    ) -> dict[str, float]:
        """Judges a production of every text.

        Args:
            produced: Clips in the order of the texts.
            read: What a reader reads from each.

        Returns:
            The metrics of `summarize`, `dtw_mean_pose_ratio`, `cer` where there is a reader, and
            `score`. Where texts have several takes also `frechet_mean_pose_ratio`,
            `smooth_travel_ratio` (the travel of the hands without jitter, by that of the real
            clips) and `joints_hidden` (how much smaller the share of shown joints is than in the
            real clips).
        """
        metrics = summarize(score_clips(self._references, produced, SCORED))
        if "dtw" in metrics:
            metrics["dtw_mean_pose_ratio"] = metrics["dtw"] / self._distance
        if self._has_takes:
            ratio = frechet_ratio(self._references, produced, self.still)
            metrics["frechet_mean_pose_ratio"] = ratio
            metrics["joints_hidden"] = max(0.0, 1 - shown(produced) / shown(self._references))
            smooth = [smoothed(clip) for clip in produced]
            travel = summarize(score_clips(self._smooth, smooth, ("hand_travel",)))
            if "hand_travel_ratio" in travel:
                metrics["smooth_travel_ratio"] = travel["hand_travel_ratio"]
        if read is not None:
            metrics["cer"] = cer(read, self._texts)
        return metrics | {"score": score(metrics)}


def has_takes(texts: Sequence[str]) -> bool:
    """Whether most clips share their text with another clip."""
    return sum(n for n in Counter(texts).values() if n > 1) > len(texts) / 2


def shown(clips: Sequence[PoseClip]) -> float:
    """The mean share of joints that a clip shows; a clip without frames shows none."""
    return float(np.mean([clip.observed.mean() if len(clip) else 0.0 for clip in clips]))


def frechet_ratio(
    references: Sequence[PoseClip], produced: Sequence[PoseClip], still: Sequence[PoseClip]
) -> float:
    """The Frechet distance of productions to real clips, divided by that of the mean pose's clips.

    Infinite where the productions have too few frames for it.
    """
    try:
        distance = frechet_pose_distance(references, produced)
    except DataError:
        return float("inf")
    return distance / max(frechet_pose_distance(references, still), 1e-12)


def score(figures: Mapping[str, float]) -> float:
    """The score, smaller is better: about 2 for a mean pose, 0 for the real clips or other takes.

    Args:
        figures: Figures of a language's productions: `frechet_mean_pose_ratio` where its texts
            have several takes, else `dtw_mean_pose_ratio`; `smooth_travel_ratio` and
            `joints_hidden`, else `hand_travel_ratio` and `joints_missing`, where they have a
            meaning; `cer` where there is a reader.
    """
    distance = figures.get("frechet_mean_pose_ratio", figures.get("dtw_mean_pose_ratio", WORST))
    travel = figures.get("smooth_travel_ratio", figures.get("hand_travel_ratio", 0.0))
    missing = figures.get("joints_hidden", figures.get("joints_missing", 0.0))
    total = distance + max(0.0, 1.0 - travel) + missing + figures.get("cer", 0.0)
    return min(total, WORST) if total == total else WORST
