"""Who signs: one person is followed through a clip that shows several.

The order of people in a frame and their confidence mean nothing: detectors give both anew in every
frame. A person is the same one where the boxes of head, shoulders and elbows overlap most; of all
whom a clip shows, the signer is the one whose hands move most.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from signllm_jax.core.skeleton import Layout
from signllm_jax.poses.frames import Repairs

LEAST_OVERLAP = 0.1  # of two boxes (intersection over union) that may be of one person
_MARGIN = 0.25  # of a box's longer side, added on each side: a thin box overlaps nothing
_STEADY = ("nose", "neck", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow")
_MOST = 3.0  # shoulder widths from the neck: a hand beyond it was found on someone else


class Followed(NamedTuple):
    """Which person of each frame is the signer.

    Attributes:
        person: int [T], the place in its frame's list; -1 where the signer is not seen.
        others: how many people of all frames were left out.
    """

    person: np.ndarray
    others: int


def follow(frames: Sequence[np.ndarray], layout: Layout) -> Followed:
    """Follows one signer.

    Args:
        frames: for each of T frames float [N, J, 3], x and y in any one unit and confidence, 0 =
            missing; N differs between frames.
        layout: of the joints.
    """
    counts = np.array([len(people) for people in frames])
    person = np.where(counts > 0, 0, -1)
    if counts.max(initial=0) <= 1:
        return Followed(person, 0)
    tracks = _tracks(frames, layout)
    signer = max(tracks, key=lambda track: _signing(track, frames, layout))
    person = np.full(len(frames), -1)
    for frame, place in signer.items():
        person[frame] = place
    return Followed(person, int(counts.sum()) - len(signer))


def signers(frames: Sequence[np.ndarray], layout: Layout, repairs: Repairs) -> np.ndarray:
    """The place of the signer in each frame's list, int [T], -1 for nobody; arguments as `follow`.

    `repairs` counts `frames with several people` and `poses of other people left out`.
    """
    followed = follow(frames, layout)
    several = sum(len(people) > 1 for people in frames)
    for name, count in (
        ("frames with several people", several),
        ("poses of other people left out", followed.others),
    ):
        if count:
            repairs[name] += count
    return followed.person


def _boxes(people: np.ndarray, layout: Layout) -> np.ndarray:
    """Left, top, right and bottom of each person, [N, 4]; NaN where nothing is seen."""
    steady = people[:, [layout.index(joint) for joint in _STEADY]]
    seen = steady[..., 2] > 0
    boxes = np.full((len(people), 4), np.nan)
    for number, (own, shown) in enumerate(zip(steady, seen)):
        points = own[shown, :2]
        if len(points) < 2:  # hands alone are followed too
            points = people[number][people[number][:, 2] > 0, :2]
        if not len(points):
            continue
        low, high = points.min(axis=0), points.max(axis=0)
        margin = _MARGIN * max((high - low).max(), 1e-6)
        boxes[number] = *(low - margin), *(high + margin)
    return boxes


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of two lists of boxes, [N, M]; 0 where one is unknown."""
    first, second = boxes[:, None], others[None]
    size = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = np.prod(np.maximum(size, 0), axis=-1)
    areas = [np.prod(box[..., 2:] - box[..., :2], axis=-1) for box in (first, second)]
    return np.nan_to_num(shared / (areas[0] + areas[1] - shared))


def _tracks(frames: Sequence[np.ndarray], layout: Layout) -> list[dict[int, int]]:
    """The people of a clip: for each a dictionary of frame -> place in its list."""
    tracks: list[dict[int, int]] = []
    last = np.zeros((0, 4))
    for frame, people in enumerate(frames):
        if not len(people):
            continue
        boxes = _boxes(people, layout)
        overlap = _overlap(last, boxes)
        new = np.arange(len(people))
        while overlap.size and overlap.max() > LEAST_OVERLAP:
            track, place = np.unravel_index(np.argmax(overlap), overlap.shape)
            tracks[track][frame] = int(place)
            last[track] = boxes[place]
            overlap[track], overlap[:, place] = 0, 0
            new = new[new != place]
        tracks += [{frame: int(place)} for place in new]
        last = np.concatenate([last, boxes[new]])
    return tracks


def _signing(track: dict[int, int], frames: Sequence[np.ndarray], layout: Layout) -> tuple:
    """How much a person signs: hands that move about, then frames and confidence."""
    own = np.stack([frames[frame][place] for frame, place in track.items()])
    index = layout.index
    neck, right, left = (own[:, index(j)] for j in ("neck", "right_shoulder", "left_shoulder"))
    both = (right[:, 2] > 0) & (left[:, 2] > 0)
    apart = np.linalg.norm(right[both, :2] - left[both, :2], axis=-1)
    width = float(np.median(apart)) if len(apart) else 0.0
    motion = 0.0
    if width > 0:
        origin = np.where(neck[:, 2:] > 0, neck[:, :2], (right[:, :2] + left[:, :2]) / 2)
        for side in ("left", "right"):
            motion += _motion(own, origin, width, layout, side)
    whole = [joint for name, joints in layout.groups.items() if name != "face" for joint in joints]
    confidence = float(own[:, whole, 2].mean())
    return round(motion * len(own), 2), len(own), confidence


def _motion(own: np.ndarray, origin: np.ndarray, width: float, layout: Layout, side: str) -> float:
    """Deviation of a wrist from its mean, in shoulder widths, times the share that shows it."""
    wrist = own[:, layout.index(f"{side}_wrist")]
    hand = own[:, layout.groups[f"{side}_hand"][0]]
    best = np.where(hand[:, 2:] > 0, hand, wrist)
    places = (best[:, :2] - origin) / width
    seen = (best[:, 2] > 0) & (np.abs(places) < _MOST).all(axis=-1)
    if seen.sum() < 2:
        return 0.0
    return float(np.linalg.norm(places[seen].std(axis=0)) * seen.mean())
