"""Faults planted into real takes, to show which figure detects which fault.

Each fault turns the real takes of some texts into what a faulty model would produce for these
texts. The faults that a report warns of come first.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from signllm_jax.eval.referees import mean_take
from signllm_jax.metrics.pairs import held, mean_pose
from signllm_jax.metrics.variety import places_of
from signllm_jax.poses.clip import PoseClip

JITTER = 0.02
"""Deviation of planted jitter, in shoulder widths."""
SLOW, QUICK, DAMPED = 1.5, 0.6, 0.6
Takes = Mapping[str, Sequence[PoseClip]]
Planter = Callable[[Sequence[str], Sequence[PoseClip], Takes], list[PoseClip]]


class Fault(NamedTuple):
    """A way to fail.

    Attributes:
        what: Description of the fault.
        plant: Texts, a real take of each, and all takes of the texts -> faulty clips.
        kind: Kind of the warning of `warnings.motion` about it, '' where there is none.
    """

    what: str
    plant: Planter
    kind: str = ""


def _changed(change: Callable[[PoseClip], PoseClip]) -> Planter:
    return lambda texts, clips, takes: [change(clip) for clip in clips]


def _still(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    pose = mean_pose(clips)
    return [_placed(clip, held(pose, clip).positions) for clip in clips]


def _placed(clip: PoseClip, positions: np.ndarray) -> PoseClip:
    """The clip with its observed joints at other positions."""
    positions = np.where(clip.observed[..., None], positions, 0)
    return dataclasses.replace(clip, positions=positions.astype(np.float32))


def _averaged(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    means = {text: mean_take(takes[text]) for text in dict.fromkeys(texts)}
    return [means[text] for text in texts]


def _in_turn(
    texts: Sequence[str], clips: Sequence[PoseClip], sources: Mapping[str, Sequence[int]]
) -> list[PoseClip]:
    """For each text the clips of its source indices in turn, again and again."""
    turns = {text: itertools.cycle([clips[i] for i in source]) for text, source in sources.items()}
    return [next(turns[text]) for text in texts]


def _one_mode(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    groups = places_of(texts)
    return _in_turn(texts, clips, {text: group[:1] for text, group in groups.items()})


def _other_text(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    groups = places_of(texts)
    sources = [*groups.values()]
    return _in_turn(texts, clips, dict(zip(groups, sources[1:] + sources[:1])))


def _one_text(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    return _in_turn(texts, clips, dict.fromkeys(texts, places_of(texts)[texts[0]]))


def _shaken(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    draw = np.random.default_rng(0)
    shifts = (draw.normal(0, JITTER, clip.positions.shape) for clip in clips)
    return [_placed(clip, clip.positions + shift) for clip, shift in zip(clips, shifts)]


def _damped(clip: PoseClip) -> PoseClip:
    seen = clip.observed[..., None]
    mean = (clip.positions * seen).sum(0) / np.maximum(seen.sum(0), 1)
    return _placed(clip, clip.positions + (DAMPED - 1) * (clip.positions - mean))


def _in_time(factor: float) -> Callable[[PoseClip], PoseClip]:
    def change(clip):
        time = np.linspace(0, len(clip) - 1, max(2, round(len(clip) * factor)))
        low = np.minimum(time.astype(int), len(clip) - 2)
        part = (time - low)[:, None, None]
        positions = clip.positions[low] * (1 - part) + clip.positions[low + 1] * part
        nearest = clip.confidence[np.round(time).astype(int)]
        confidence = np.where(clip.observed[low] & clip.observed[low + 1], nearest, 0)
        return _placed(PoseClip(positions, confidence, clip.fps, clip.layout), positions)

    return change


def mirrored(clip: PoseClip) -> PoseClip:
    """The clip signed with the other hand."""
    order = list(clip.skeleton.mirror)
    positions = clip.positions[:, order] * np.array([-1, 1, 1], np.float32)
    return PoseClip(positions, clip.confidence[:, order], clip.fps, clip.layout)


def _mixed(clip: PoseClip) -> PoseClip:
    image, half = mirrored(clip), len(clip) // 2
    positions = np.concatenate([clip.positions[:half], image.positions[half:]])
    confidence = np.concatenate([clip.confidence[:half], image.confidence[half:]])
    return dataclasses.replace(clip, positions=positions, confidence=confidence)


def _handless(clip: PoseClip) -> PoseClip:
    hands = [j for side in ("left", "right") for j in clip.skeleton.groups[f"{side}_hand"]]
    confidence = clip.confidence.copy()
    confidence[:, hands] = 0
    return _placed(dataclasses.replace(clip, confidence=confidence), clip.positions)


FAULTS: dict[str, Fault] = {
    "collapsed": Fault("the mean pose of all takes, held", _still, "collapse"),
    "averaged": Fault("the mean of a text's takes", _averaged, "averaged"),
    "damped": Fault(
        f"every joint goes {DAMPED:g} times as far from its mean place",
        _changed(_damped),
        "averaged",
    ),
    "restless": Fault(f"jitter of {JITTER:g} shoulder widths", _shaken, "jerk"),
    "too long": Fault(f"{SLOW:g} times as slow", _changed(_in_time(SLOW)), "duration"),
    "too short": Fault(f"{QUICK:g} times as long", _changed(_in_time(QUICK)), "duration"),
    "one mode": Fault("one take of a text, over and over", _one_mode, "one_mode"),
    "wrong hand": Fault("every take mirrored", _changed(mirrored), "other_hand"),
    "mixed hands": Fault("the second half of every take mirrored", _changed(_mixed), "mixed"),
    "hidden hands": Fault("both hands are not shown", _changed(_handless), "missing"),
    "another text": Fault("takes of another text", _other_text),
    "one text for all": Fault("takes of one text for every text", _one_text),
}
"""Name -> the fault."""
