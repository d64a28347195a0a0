"""Finds what is odd about a single clip, by bounds that hold for every signer.

Lengths are in x and y, so that flat and lifted clips are measured alike. Of 353 real clips of 24
sign languages the usual ones have arms of 1.2 to 2.1 shoulder widths from shoulder to wrist at
their longest, 0.43 to 0.7 from neck to nose, and necks that move by at most 0.25 in a frame. Most
clips out of bounds are takes whose picture size was not recorded but assumed.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from signllm_jax.poses.clip import PoseClip

ARMS = (0.9, 2.3)  # shoulder widths, shoulder to wrist, the longer arm at its longest
HEAD = (0.4, 0.75)  # neck to nose
UPRIGHT = 0.5  # cosine of the largest angle between the vertical and the line from neck to nose
JUMP = 0.5  # largest movement of the neck between two frames that show it
WANDER = 2.0  # largest range of the neck over the whole clip
LEAST_HANDS = 0.3  # least share of frames that show a hand
LEAST_FPS = 10.0
CUT_OFF = (23.0, 29.0, 59.0, 119.0)  # 23.976, 29.97, ... cut to whole numbers
SECONDS_A_WORD = (0.08, 12.0)
_LETTERS_A_WORD = 12  # where a script has no spaces
_LONGEST = 95  # percentile that is taken as the longest, without a detector's worst frames
_WRISTS = ("left", "right")


class Oddity(NamedTuple):
    """Something odd about a clip.

    Attributes:
        kind: What is odd, in the same words for all clips.
        detail: The measured amount with its unit or total.
    """

    kind: str
    detail: str


def oddities(clip: PoseClip, text: str = "") -> list[Oddity]:
    """Checks one clip.

    Args:
        clip: A clip of any layout, as it was read or prepared.
        text: Spoken language text of the clip; empty = its length is not checked.

    Returns:
        What is odd about it; empty for most clips.
    """
    return [*_proportions(clip), *_motion(clip), *_hands(clip), *_length(clip, text)]


def rate_oddities(fps: float) -> list[Oddity]:
    """Checks the frames per second that a file stores."""
    odd = []
    if fps < LEAST_FPS:
        odd.append(Oddity("few frames per second", f"{fps:g}"))
    if fps in CUT_OFF:
        rate = (fps + 1) * 1000 / 1001
        odd.append(Oddity("a rate that was cut to a whole number", f"{fps:g}, not {rate:.3f}"))
    return odd


def _way(clip: PoseClip, first: str, last: str) -> np.ndarray:
    """[frames, 2]: x and y from one joint to another in the frames that show both."""
    ends = [clip.skeleton.index(first), clip.skeleton.index(last)]
    flat = clip.positions[clip.observed[:, ends].all(axis=1)][:, ends, :2]
    return flat[:, 1] - flat[:, 0]


def _distance(clip: PoseClip, first: str, last: str) -> np.ndarray:
    """The distance of two joints in the frames that show both, in x and y."""
    return np.linalg.norm(_way(clip, first, last), axis=-1)


def arm_length(clip: PoseClip) -> float:
    """The longer arm, shoulder to wrist, in shoulder widths; NaN where none is seen."""
    arms = []
    for side in _WRISTS:
        joints = [f"{side}_{part}" for part in ("shoulder", "elbow", "wrist")]
        bones = [_distance(clip, *pair) for pair in itertools.pairwise(joints)]
        if all(len(bone) for bone in bones):
            arms.append(sum(np.percentile(bone, _LONGEST) for bone in bones))
    return float(max(arms)) if arms else float("nan")


def _proportions(clip: PoseClip) -> Iterator[Oddity]:
    arms = arm_length(clip)
    if np.isfinite(arms) and not ARMS[0] <= arms <= ARMS[1]:
        yield Oddity("arms of an impossible length", f"{arms:.2f} shoulder widths")
    head = _distance(clip, "neck", "nose")
    if len(head) and not HEAD[0] <= (height := float(np.median(head))) <= HEAD[1]:
        yield Oddity(
            "a head too near to or too far from the shoulders, as in squeezed pictures",
            f"{height:.2f} shoulder widths",
        )
    neck = _way(clip, "neck", "nose")
    turned = -neck[:, 1] < UPRIGHT * np.linalg.norm(neck, axis=-1)
    swapped = _way(clip, "right_shoulder", "left_shoulder")[:, 0] < 0
    for kind, frames in (
        ("a head that is not above the neck, as in turned pictures", turned),
        ("left and right swapped, or seen from behind", swapped),
    ):
        if len(frames) and frames.mean() > 0.5:
            yield Oddity(kind, f"{frames.sum()} of {len(frames)} frames")


def _motion(clip: PoseClip) -> Iterator[Oddity]:
    index = clip.skeleton.index("neck")
    neck = clip.positions[clip.observed[:, index], index, :2]
    if len(neck) < 2:
        return
    steps = np.linalg.norm(np.diff(neck, axis=0), axis=-1)
    if steps.max() > JUMP:
        detail = f"{(steps > JUMP).sum()} of {len(steps)} steps, up to {steps.max():.2f} widths"
        yield Oddity("a neck that jumps", detail)
    if (wander := float(np.ptp(neck, axis=0).max())) > WANDER:
        yield Oddity("a neck that wanders", f"{wander:.2f} shoulder widths")


def _hands(clip: PoseClip) -> Iterator[Oddity]:
    groups = clip.skeleton.groups
    joints = [joint for side in _WRISTS for joint in groups[f"{side}_hand"]]
    shown = np.any(clip.observed[:, joints], axis=1)
    if shown.mean() < LEAST_HANDS:
        yield Oddity("hands that are rarely seen", f"{shown.sum()} of {len(shown)} frames")


def _length(clip: PoseClip, text: str) -> Iterator[Oddity]:
    words = max(len(text.split()), len(text) // _LETTERS_A_WORD)
    if not words:
        return
    seconds = len(clip) / clip.fps
    if not SECONDS_A_WORD[0] <= seconds / words <= SECONDS_A_WORD[1]:
        detail = f"{seconds:.1f} seconds for {words} words"
        yield Oddity("a length that does not fit the text", detail)
