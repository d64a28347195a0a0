"""Figures of signed sentences: the error of their glosses, and the jerk between signs."""

from collections.abc import Sequence

import numpy as np

from signllm_jax.eval.sign_reader import Signs
from signllm_jax.metrics.text_metrics import wer
from signllm_jax.poses.clip import PoseClip

AROUND = 2
"""Frames to either side of a border that belong to it: five in all."""


def gloss_error(read: Sequence[Signs], lines: Sequence[str]) -> float:
    """The gloss error rate: insertions, deletions and substitutions per gloss of all lines."""
    return wer([" ".join(signs.glosses) for signs in read], lines)


def jerk_at_joins(clips: Sequence[PoseClip], read: Sequence[Signs]) -> float:
    """The mean jerk of the hands around the borders of signs.

    The jerk is the length of the third difference of a joint's track. It is computed for the joints
    of the hands that are observed in its four frames, all within the five frames around a border.

    Args:
        clips: Clips of sentences.
        read: Signs that a reader found in each, with their borders.

    Returns:
        Shoulder widths per second cubed, over all borders of all clips; NaN without any.
    """
    values = []
    for clip, signs in zip(clips, read, strict=True):
        groups = clip.skeleton.groups
        hands = [*groups["left_hand"], *groups["right_hand"]]
        for border in signs.borders:
            rows = slice(max(border - AROUND, 0), border + AROUND + 1)
            difference, seen = clip.positions[rows][:, hands], clip.observed[rows][:, hands]
            for _ in range(3):
                difference, seen = np.diff(difference, axis=0), seen[1:] & seen[:-1]
            values.append(np.linalg.norm(difference, axis=-1)[seen] * clip.fps**3)
    joined = np.concatenate(values) if values else np.zeros(0)
    return float(joined.mean()) if len(joined) else float("nan")
