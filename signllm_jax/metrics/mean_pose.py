"""The figures that clips are judged by while a model trains: few, and against the mean pose."""

from collections.abc import Sequence

import numpy as np

from signllm_jax.metrics.pairs import held, score_clips, summarize
from signllm_jax.poses.clip import PoseClip

SCORED = ("dtw", "hand_travel", "duration_ratio")
"""The metrics that are computed; the others cost more than they tell here."""


class MeanPoseScore:
    """Scores productions of the same real clips again and again.

    Args:
        references: Real clips, one at least.
        pose: Mean pose of the train split, float32 [J, 3] in shoulder widths.

    Attributes:
        still: The mean pose held as long as each real clip.
    """

    def __init__(self, references: Sequence[PoseClip], pose: np.ndarray):
        self._references = references
        self.still = [held(pose, clip) for clip in references]
        distances = score_clips(references, self.still, SCORED)["dtw"]
        self._distance = float(np.nanmean(distances))

    def __call__(self, produced: Sequence[PoseClip]) -> dict[str, float]:
        """The metrics of `summarize` and `dtw_mean_pose_ratio`."""
        metrics = summarize(score_clips(self._references, produced, SCORED))
        return metrics | {"dtw_mean_pose_ratio": metrics["dtw"] / self._distance}
