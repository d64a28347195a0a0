"""Faults planted into real takes, to show which figure sees which.

Each takes the real takes of some texts and makes what a faulty model would produce of these texts.
The faults that a report warns of come first.
"""

import dataclasses
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
        what: what is planted.
        plant: texts, a real take of each, and all takes of the texts -> faulty clips.
        kind: the warning of `warnings.motion` that says so, '' where there is none.
    """

    what: str
    plant: Planter
    kind: str = ""


def _each(change: Callable[[PoseClip], PoseClip]) -> Planter:
    return lambda texts, clips, takes: [change(clip) for clip in clips]


def _still(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    pose = mean_pose(clips)
    return [
        dataclasses.replace(clip, positions=held(pose, clip).positions * clip.observed[..., None])
        for clip in clips
    ]


def _averaged(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    means = {text: mean_take(takes[text]) for text in dict.fromkeys(texts)}
    return [means[text] for text in texts]


def _one_mode(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    places = places_of(texts)
    return [clips[places[text][0]] for text in texts]


def _other_text(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    groups = list(places_of(texts).values())
    found = dict(enumerate(clips))
    for own, other in zip(groups, groups[1:] + groups[:1]):
        found |= {i: clips[other[k % len(other)]] for k, i in enumerate(own)}
    return [found[i] for i in range(len(clips))]


def _one_text(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    first = next(iter(places_of(texts).values()))
    count = dict.fromkeys(texts, 0)
    found = []
    for text in texts:
        found.append(clips[first[count[text] % len(first)]])
        count[text] += 1
    return found


def _shaken(texts: Sequence[str], clips: Sequence[PoseClip], takes: Takes) -> list[PoseClip]:
    draw = np.random.default_rng(0)
    return [_moved(clip, draw.normal(0, JITTER, clip.positions.shape)) for clip in clips]


def _moved(clip: PoseClip, shift: np.ndarray) -> PoseClip:
    positions = np.where(clip.observed[..., None], clip.positions + shift, 0)
    return dataclasses.replace(clip, positions=positions.astype(np.float32))


def _damped(clip: PoseClip) -> PoseClip:
    seen = clip.observed[..., None]
    mean = (clip.positions * seen).sum(0) / np.maximum(seen.sum(0), 1)
    return _moved(clip, (DAMPED - 1) * (clip.positions - mean))


def _in_time(factor: float) -> Callable[[PoseClip], PoseClip]:
    def change(clip):
        place = np.linspace(0, len(clip) - 1, max(2, round(len(clip) * factor)))
        low = np.minimum(place.astype(int), len(clip) - 2)
        part = (place - low)[:, None, None]
        positions = clip.positions[low] * (1 - part) + clip.positions[low + 1] * part
        nearest = clip.confidence[np.round(place).astype(int)]
        both = clip.observed[low] & clip.observed[low + 1] & (nearest > 0)
        confidence = np.where(both, nearest, 0)
        positions = np.where(both[..., None], positions, 0)
        return PoseClip(positions.astype(np.float32), confidence, clip.fps, clip.layout)

    return change


def mirrored(clip: PoseClip) -> PoseClip:
    """The clip by the other hand."""
    order = list(clip.skeleton.mirror)
    positions = clip.positions[:, order] * np.array([-1, 1, 1], np.float32)
    return PoseClip(positions, clip.confidence[:, order], clip.fps, clip.layout)


def _mixed(clip: PoseClip) -> PoseClip:
    other, half = mirrored(clip), len(clip) // 2
    return dataclasses.replace(
        clip,
        positions=np.concatenate([clip.positions[:half], other.positions[half:]]),
        confidence=np.concatenate([clip.confidence[:half], other.confidence[half:]]),
    )


def _handless(clip: PoseClip) -> PoseClip:
    hands = [j for side in ("left", "right") for j in clip.skeleton.groups[f"{side}_hand"]]
    confidence = clip.confidence.copy()
    confidence[:, hands] = 0
    positions = np.where((confidence > 0)[..., None], clip.positions, 0)
    return dataclasses.replace(clip, positions=positions, confidence=confidence)


FAULTS: dict[str, Fault] = {
    "collapsed": Fault("the mean pose of all takes, held", _still, "collapse"),
    "averaged": Fault("the mean of a text's takes", _averaged, "averaged"),
    "damped": Fault(
        f"every joint goes {DAMPED:g} times as far from its mean place", _each(_damped), "averaged"
    ),
    "restless": Fault(f"jitter of {JITTER:g} shoulder widths", _shaken, "jerk"),
    "too long": Fault(f"{SLOW:g} times as slow", _each(_in_time(SLOW)), "duration"),
    "too short": Fault(f"{QUICK:g} times as long", _each(_in_time(QUICK)), "duration"),
    "one mode": Fault("one take of a text, over and over", _one_mode, "one_mode"),
    "wrong hand": Fault("every take mirrored", _each(mirrored), "other_hand"),
    "mixed hands": Fault("the second half of every take mirrored", _each(_mixed), "mixed"),
    "hidden hands": Fault("both hands are not shown", _each(_handless), "missing"),
    "another text": Fault("takes of another text", _other_text),
    "one text for all": Fault("takes of one text for every text", _one_text),
}
"""Name -> the fault."""
