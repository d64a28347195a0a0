"""COCO-WholeBody's points, as RTMPose, DWPose, MMPose, AlphaPose and rtmlib give them.

133 points are 17 of the body, 6 of the feet, 68 of the face and 21 of each hand; the 134 in
OpenPose's order, of rtmlib and DWPose, begin with its 18 body points, the neck among them;
AlphaPose's 136 have head, neck and hip after the first 17. Coordinates are pixels; scores may
exceed 1.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.budget import Budget

SCORES = ("scores", "keypoint_scores", "keypoints_scores", "confidence")
"""What the scores beside `keypoints` may be called."""
_COCO = ("nose",) + tuple(
    f"{side}_{part}"
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
_NECK, _SHOULDERS = DWPOSE128.index("neck"), ("left_shoulder", "right_shoulder")
# where the face and each hand begin
_STARTS = {
    133: {"face": 23, "left_hand": 91, "right_hand": 112},
    134: {"face": 24, "left_hand": 92, "right_hand": 113},
    136: {"face": 26, "left_hand": 94, "right_hand": 115},
}
_NECK_OF_136 = 18


def _rows(points: int) -> np.ndarray:
    """Where each joint of dwpose128 stands among the points, int [128]; -1 for no neck."""
    rows = np.zeros(DWPOSE128.size, int)
    for number, joint in enumerate(DWPOSE128.groups["body"]):
        name = DWPOSE128.joints[joint]
        if points == 134:
            rows[joint] = number
        elif name == "neck":
            rows[joint] = _NECK_OF_136 if points == 136 else -1
        else:
            rows[joint] = _COCO.index(name)
    for part, start in _STARTS[points].items():
        joints = list(DWPOSE128.groups[part])
        rows[joints] = start + np.arange(len(joints))
    return rows


_ROWS = {points: _rows(points) for points in _STARTS}


def people_of(keypoints: Any, scores: Any, place: str) -> np.ndarray:
    """Makes dwpose128 joints of the people in one frame.

    Args:
        keypoints: numbers [N, P, 2 or 3] or [P, 2 or 3], P = 133, 134 or 136; a third number is
            the score.
        scores: numbers [N, P] or [P], or None: then all points but (0, 0) have 1.
        place: what to name in an error.

    Returns:
        float64 [N, 128, 3], x, y and score.

    Raises:
        PoseFormatError: arrays of other shapes, or no numbers.
    """
    points = _numbers(keypoints, "keypoints", place)
    if not points.size:
        return np.zeros((0, DWPOSE128.size, 3))
    points = points[None] if points.ndim == 2 else points
    if points.ndim != 3 or points.shape[1] not in _ROWS or points.shape[2] not in (2, 3):
        raise PoseFormatError(
            f"{place}: keypoints have shape {points.shape}, not [people, 133, 134 or 136, 2 or 3]"
        )
    if scores is not None:
        weights = _numbers(scores, "scores", place)
        if weights.size != points.shape[0] * points.shape[1]:
            raise PoseFormatError(f"{place}: scores have shape {weights.shape}")
        weights = weights.reshape(points.shape[:2])
    elif points.shape[2] == 3:
        weights = points[..., 2]
    else:
        weights = (points != 0).any(axis=-1).astype(np.float64)
    whole = np.concatenate([points[..., :2], weights[..., None]], axis=-1)
    rows = _ROWS[points.shape[1]]
    joints = whole[:, rows]
    if rows[_NECK] < 0:
        shoulders = whole[:, [_COCO.index(name) for name in _SHOULDERS]]
        joints[:, _NECK] = shoulders.mean(axis=1)
        joints[:, _NECK, 2] = shoulders[..., 2].min(axis=1)
    return joints


def _numbers(values: Any, name: str, place: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        raise PoseFormatError(f"{place}: {name} are no array of numbers") from None
    if array.size and array.dtype.kind not in "fiu":
        raise PoseFormatError(f"{place}: {name} are no array of numbers")
    return array.astype(np.float64)


def scores_of(members: Mapping[str, Any]) -> Any:
    """The scores beside `keypoints`: the first of the names in `SCORES` that is there, or None."""
    return next((members[name] for name in SCORES if members.get(name) is not None), None)


def is_wholebody(value: Any) -> bool:
    """Whether parsed JSON is one of the forms that `json_frames` reads."""
    if isinstance(value, dict):
        frames = value.get("frames")
        return "instance_info" in value or "keypoints" in value or is_wholebody(frames)
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and any(key in value[0] for key in ("instances", "keypoints"))
    )


def json_frames(
    value: Any, place: str, budget: Budget
) -> tuple[dict[int, list[dict[str, Any]]], float]:
    """Finds the people of each frame in the JSON of a clip.

    Args:
        value: MMPose's `instance_info` or its list of `frame_id` and `instances`, AlphaPose's list
            of `image_id` and `keypoints` (also under `frames`), a list of frames with `keypoints`
            and `scores`, or both for the whole clip.
        place: what to name in an error.
        budget: limits of a clip.

    Returns:
        Frame number -> the members `keypoints` and scores of each of its people, or of all of them
        at once; and frames per second, 0 where the file does not say them.

    Raises:
        PoseFormatError: another form.
    """
    fps = 0.0
    if isinstance(value, dict) and "frames" in value:
        about = value.get("metadata")
        stored = about.get("fps") if isinstance(about, dict) else None
        fps = float(stored) if type(stored) is int or type(stored) is float else 0.0
        value = value["frames"]
    elif isinstance(value, dict) and "instance_info" in value:
        value = value["instance_info"]
    elif isinstance(value, dict) and isinstance(value.get("keypoints"), list):
        keypoints, scores = value["keypoints"], scores_of(value)
        scores = scores if isinstance(scores, list) else [None] * len(keypoints)
        value = [{"keypoints": own, "scores": weights} for own, weights in zip(keypoints, scores)]
    if not isinstance(value, list) or not value or not all(isinstance(e, dict) for e in value):
        raise PoseFormatError(f"{place}: no list of frames in it")
    budget.ask(place, frames=len({_number(each, n) for n, each in enumerate(value)}))
    frames: dict[int, list[dict[str, Any]]] = {}
    for number, each in enumerate(value):
        people = each.get("instances", [each])
        if not isinstance(people, list) or not all(isinstance(one, dict) for one in people):
            raise PoseFormatError(f"{place}: frame {number} has no list of people")
        own = frames.setdefault(_number(each, number), [])
        own += people
        budget.ask(place, people=len(own))
    first, last = min(frames), max(frames)
    budget.ask(f"{place}: from {first} to {last}", frames=last - first + 1)
    return {number - first: people for number, people in frames.items()}, fps


def _number(frame: dict[str, Any], place: int) -> int:
    """The number of a frame: its own, else the last one in its picture's name, else its place."""
    number = frame.get("frame_id")
    if type(number) is int:
        return number
    digits = re.findall(r"\d+", str(frame.get("image_id", "")))
    return int(digits[-1][:18]) if digits else place


def flat_people(members: dict[str, Any], place: str) -> np.ndarray:
    """The people of one entry of `json_frames`, as `people_of`.

    AlphaPose writes a person as one list of x, y and score in turn.
    """
    keypoints = members.get("keypoints")
    if isinstance(keypoints, list) and len(keypoints) in {3 * points for points in _ROWS}:
        keypoints = _numbers(keypoints, "keypoints", place).reshape(-1, 3)
        return people_of(keypoints, None, place)
    return people_of(keypoints, scores_of(members), place)
