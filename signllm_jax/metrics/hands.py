"""Which hands sign a clip."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from signllm_jax.poses.clip import PoseClip

MIXED = 0.1
"""Where hands are mixed, each is shown in more than this share of the frames that show a hand."""


def hands_shown(clip: PoseClip) -> tuple[Bool[np.ndarray, " T"], Bool[np.ndarray, " T"]]:
    """The frames that show most joints of the left hand, and of the right hand."""
    groups = (clip.skeleton.groups[f"{side}_hand"] for side in ("left", "right"))
    left, right = (clip.observed[:, list(group)].mean(1) > 0.5 for group in groups)
    return left, right


def is_mixed(clip: PoseClip) -> bool:
    """Whether both hands sign: each in more than `MIXED` of the frames that show a hand."""
    left, right = hands_shown(clip)
    return bool(min(left.sum(), right.sum()) > MIXED * max((left | right).sum(), 1))


def hand_use(
    texts: Sequence[str], references: Sequence[PoseClip], clips: Sequence[PoseClip]
) -> dict[str, float]:
    """Which hands sign the texts of which every real take is signed with one hand.

    Returns:
        `mixed_hands`, the share of productions in which both hands sign; `left_handed`, the share
        of productions in which the left hand is shown more, and `left_handed_real`, that of the
        real takes; and `one_handed`, the number of these clips. Empty where every text has a take
        with both hands.
    """
    mixed = {text for text, take in zip(texts, references, strict=True) if is_mixed(take)}
    single = [i for i, text in enumerate(texts) if text not in mixed]
    if not single:
        return {}
    return {
        "one_handed": len(single),
        "mixed_hands": float(np.mean([is_mixed(clips[i]) for i in single])),
        "left_handed": float(np.mean([_is_left(clips[i]) for i in single])),
        "left_handed_real": float(np.mean([_is_left(references[i]) for i in single])),
    }


def _is_left(clip: PoseClip) -> bool:
    left, right = hands_shown(clip)
    return bool(left.sum() > right.sum())
