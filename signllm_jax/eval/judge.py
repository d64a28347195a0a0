"""The score on dev by which a run keeps its best parameters: one that a mean pose cannot win.

As soon as signers differ, a mean pose is nearer to a real take than another real take is, so a
distance alone would keep the model that averages. Where texts have several takes the distribution
of poses and velocities decides (Frechet), where there is a reader also what it reads, and only of
data with one take per text the distance. Still hands count against all of them, and hidden joints
as far as real takes of a text do not hide them from each other: a left-handed take lacks the right
hand of another.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.core.errors import DataError
from signllm_jax.eval.referees import other_takes
from signllm_jax.metrics.frechet import frechet_pose_distance
from signllm_jax.metrics.pairs import held, score_clips, summarize
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.poses.clip import PoseClip

WORST = 1e6
"""The score of productions that cannot be scored; a number, so that any other is better."""


SCORED = ("dtw", "hand_travel", "duration_ratio", "joints_missing")
"""The metrics that are computed; the others cost more than they tell here."""


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
        self._lacking = lacking(texts, references) if self._has_takes else 0.0

    def __call__(
        self, produced: Sequence[PoseClip], read: Sequence[str] | None = None
    ) -> dict[str, float]:
        """Judges a production of every text.

        Args:
            produced: Clips in the order of the texts.
            read: What a reader reads from each.

        Returns:
            The metrics of `summarize`, `dtw_mean_pose_ratio`, `frechet_mean_pose_ratio` where texts
            have several takes, `joints_missing_beside_takes` (what is missing beyond what one take
            lacks of another), `cer` where there is a reader, and `score`.
        """
        metrics = summarize(score_clips(self._references, produced, SCORED))
        if "dtw" in metrics:
            metrics["dtw_mean_pose_ratio"] = metrics["dtw"] / self._distance
        if self._has_takes:
            ratio = frechet_ratio(self._references, produced, self.still)
            metrics["frechet_mean_pose_ratio"] = ratio
        if "joints_missing" in metrics:
            beyond = max(0.0, metrics["joints_missing"] - self._lacking)
            metrics["joints_missing_beside_takes"] = beyond
        if read is not None:
            metrics["cer"] = cer(read, self._texts)
        return metrics | {"score": score(metrics)}


def has_takes(texts: Sequence[str]) -> bool:
    """Whether most clips share their text with another clip."""
    count: dict[str, int] = {}
    for text in texts:
        count[text] = count.get(text, 0) + 1
    return sum(n for n in count.values() if n > 1) > len(texts) / 2


def lacking(texts: Sequence[str], takes: Sequence[PoseClip]) -> float:
    """The mean share of a take's joints that another take of its text lacks.

    Args:
        texts: of the takes; those with one take do not count.
        takes: real clips, of which two at least share a text.
    """
    pairs = [(take, other) for take, other in zip(takes, other_takes(texts, takes))]
    pairs = [(take, other) for take, other in pairs if other is not None]
    found = score_clips(*zip(*pairs), ("joints_missing",))["joints_missing"]
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0


def frechet_ratio(
    references: Sequence[PoseClip], produced: Sequence[PoseClip], still: Sequence[PoseClip]
) -> float:
    """The Frechet distance of productions to real clips by that of the mean pose's clips.

    Infinite where the productions have too few frames to tell.
    """
    try:
        made = frechet_pose_distance(references, produced)
    except DataError:
        return float("inf")
    return made / max(frechet_pose_distance(references, still), 1e-12)


def score(figures: Mapping[str, float]) -> float:
    """The score, smaller is better; about 2 of a mean pose, 0 of the real clips or other takes.

    Args:
        figures: of a language's productions: `frechet_mean_pose_ratio` where its texts have several
            takes, else `dtw_mean_pose_ratio`; `hand_travel_ratio` and
            `joints_missing_beside_takes` where they have a meaning; `cer` where there is a reader.
    """
    distance = figures.get("frechet_mean_pose_ratio", figures.get("dtw_mean_pose_ratio", WORST))
    still = max(0.0, 1.0 - figures.get("hand_travel_ratio", 0.0))
    missing = figures.get("joints_missing_beside_takes", 0.0)
    total = distance + still + missing + figures.get("cer", 0.0)
    return min(total, WORST) if total == total else WORST
