"""Follows the signer through a clip that shows several people.

The order of people in a frame and their confidence mean nothing, since detectors assign both anew
in every frame. People of two frames are the same person where the boxes around head, shoulders and
elbows overlap most. The signer is the person of the clip whose hands move most.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import Layout
from signllm_jax.poses.frames import Repairs, count_repairs

LEAST_OVERLAP = 0.1  # intersection over union of two boxes that may belong to one person
_MARGIN = 0.25  # part of a box's longer side, added on each side: a thin box overlaps nothing
_STEADY = ("nose", "neck", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow")
_MOST = 3.0  # shoulder widths from the neck: a hand beyond it was detected on someone else


class Followed(NamedTuple):
    """Which person of each frame is the signer.

    Attributes:
        person: int [T], index in the frame's list; -1 where the signer is not seen.
        others: number of people left out, over all frames.
    """

    person: np.ndarray
    others: int


def follow(frames: Sequence[np.ndarray], layout: Layout) -> Followed:
    """Follows one signer.

    Args:
        frames: for each of T frames float [N, J, 3], x and y in any unit that all frames share,
            and confidence, 0 = missing; N differs between frames.
        layout: layout of the joints.
    """
    counts = np.array([len(people) for people in frames])
    person = np.where(counts > 0, 0, -1)
    if counts.max(initial=0) <= 1:
        return Followed(person, 0)
    tracks = _tracks(frames, layout)
    signer = max(tracks, key=lambda track: _signing(track, frames, layout))
    person = np.full(len(frames), -1)
    person[list(signer)] = list(signer.values())
    return Followed(person, int(counts.sum()) - len(signer))


def signers(frames: Sequence[np.ndarray], layout: Layout, repairs: Repairs) -> np.ndarray:
    """The index of the signer in each frame's list, int [T], -1 for nobody; arguments as `follow`.

    `repairs` counts `frames with several people` and `poses of other people left out`.
    """
    person, others = follow(frames, layout)
    several = sum(len(people) > 1 for people in frames)
    count_repairs(
        repairs, {"frames with several people": several, "poses of other people left out": others}
    )
    return person


def signer_keypoints(
    people: Mapping[int, np.ndarray], length: int, layout: Layout, repairs: Repairs, source: str
) -> np.ndarray:
    """The keypoints of the signer, who is followed through the frames of a clip.

    Args:
        people: frame number -> float32 [N, J, 3], x, y and confidence of the people in it; a
            number without an entry is a frame without a file.
        length: number of frames T.
        layout: layout of the joints.
        repairs: counts frames without a person or a file, and people who do not sign.
        source: name of the file, for error messages.

    Returns:
        float32 [T, J, 3]; zeros in frames without the signer.

    Raises:
        PoseFormatError: nobody in any frame.
    """
    empty = sum(not len(frame) for frame in people.values())
    if empty == len(people):
        raise PoseFormatError(f"{source}: nobody in any of {length} frames")
    count_repairs(
        repairs, {"frames without a person": empty, "frames without a file": length - len(people)}
    )
    nobody = np.zeros((0, layout.size, 3), np.float32)
    frames = [people.get(number, nobody) for number in range(length)]
    keypoints = np.zeros((length, layout.size, 3), np.float32)
    for number, person in enumerate(signers(frames, layout, repairs)):
        if person >= 0:
            keypoints[number] = frames[number][person]
    return keypoints


def _boxes(people: np.ndarray, layout: Layout) -> np.ndarray:
    """Left, top, right and bottom of each person, [N, 4]; NaN where nothing is seen."""
    steady = people[:, [layout.index(joint) for joint in _STEADY]]
    seen = steady[..., 2] > 0
    boxes = np.full((len(people), 4), np.nan)
    for number, (joints, shown) in enumerate(zip(steady, seen)):
        points = joints[shown, :2]
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
    """The people of a clip: for each person, frame -> index in the frame's list."""
    tracks: list[dict[int, int]] = []
    last = np.zeros((0, 4))
    for frame, people in enumerate(frames):
        if not len(people):
            continue
        boxes = _boxes(people, layout)
        overlap = _overlap(last, boxes)
        new = np.arange(len(people))
        while overlap.size and overlap.max() > LEAST_OVERLAP:
            track, person = np.unravel_index(np.argmax(overlap), overlap.shape)
            tracks[track][frame] = int(person)
            last[track] = boxes[person]
            overlap[track], overlap[:, person] = 0, 0
            new = new[new != person]
        tracks += [{frame: int(person)} for person in new]
        last = np.concatenate([last, boxes[new]])
    return tracks


def _signing(track: dict[int, int], frames: Sequence[np.ndarray], layout: Layout) -> tuple:
    """How much a person signs: first the motion of the hands, then frames and confidence."""
    keypoints = np.stack([frames[frame][person] for frame, person in track.items()])
    joints = [layout.index(joint) for joint in ("neck", "right_shoulder", "left_shoulder")]
    neck, right, left = keypoints[:, joints].swapaxes(0, 1)
    both = (right[:, 2] > 0) & (left[:, 2] > 0)
    apart = np.linalg.norm(right[both, :2] - left[both, :2], axis=-1)
    width = float(np.median(apart)) if len(apart) else 0.0
    motion = 0.0
    if width > 0:
        origin = np.where(neck[:, 2:] > 0, neck[:, :2], (right[:, :2] + left[:, :2]) / 2)
        for side in ("left", "right"):
            motion += _motion(keypoints, origin, width, layout, side)
    whole = [joint for name, joints in layout.groups.items() if name != "face" for joint in joints]
    confidence = float(keypoints[:, whole, 2].mean())
    return round(motion * len(keypoints), 2), len(keypoints), confidence


def _motion(
    keypoints: np.ndarray, origin: np.ndarray, width: float, layout: Layout, side: str
) -> float:
    """Deviation of a wrist from its mean, in shoulder widths, times the share that shows it."""
    wrist = keypoints[:, layout.index(f"{side}_wrist")]
    hand = keypoints[:, layout.groups[f"{side}_hand"][0]]
    best = np.where(hand[:, 2:] > 0, hand, wrist)
    offsets = (best[:, :2] - origin) / width
    seen = (best[:, 2] > 0) & (np.abs(offsets) < _MOST).all(axis=-1)
    if seen.sum() < 2:
        return 0.0
    return float(np.linalg.norm(offsets[seen].std(axis=0)) * seen.mean())
