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
from signllm_jax.poses.normalize import put_neck

SCORES = ("scores", "keypoint_scores", "keypoints_scores", "confidence")
"""Names of the scores that belong to `keypoints`."""
_COCO = ("nose",) + tuple(
    f"{side}_{part}"
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)


def _rows(points: int) -> np.ndarray:
    """The index of each joint of dwpose128 among the points, int [128]; -1 for no neck."""
    rows = np.zeros(DWPOSE128.size, int)
    for number, joint in enumerate(DWPOSE128.groups["body"]):
        name = DWPOSE128.joints[joint]
        if points == 134:
            rows[joint] = number
        elif name == "neck":
            rows[joint] = 18 if points == 136 else -1  # 136 points have head, neck and hip after 17
        else:
            rows[joint] = _COCO.index(name)
    groups = DWPOSE128.groups
    last = [*groups["face"], *groups["left_hand"], *groups["right_hand"]]
    rows[last] = np.arange(points - len(last), points)
    return rows


_ROWS = {points: _rows(points) for points in (133, 134, 136)}


def people_of(keypoints: Any, scores: Any, source: str) -> np.ndarray:
    """Makes dwpose128 joints of the people in one frame.

    Args:
        keypoints: numbers [N, P, 2 or 3] or [P, 2 or 3], P = 133, 134 or 136; a third number is
            the score.
        scores: numbers [N, P] or [P], or None: then all points except (0, 0) have 1.
        source: name of the file, for error messages.

    Returns:
        float64 [N, 128, 3], x, y and score.

    Raises:
        PoseFormatError: arrays of other shapes, or no numbers.
    """
    points = _numbers(keypoints, "keypoints", source)
    if not points.size:
        return np.zeros((0, DWPOSE128.size, 3))
    points = points[None] if points.ndim == 2 else points
    if points.ndim != 3 or points.shape[1] not in _ROWS or points.shape[2] not in (2, 3):
        raise PoseFormatError(
            f"{source}: keypoints have shape {points.shape}, not [people, 133, 134 or 136, 2 or 3]"
        )
    if scores is not None:
        weights = _numbers(scores, "scores", source)
        if weights.size != points.shape[0] * points.shape[1]:
            raise PoseFormatError(f"{source}: scores have shape {weights.shape}")
        weights = weights.reshape(points.shape[:2])
    elif points.shape[2] == 3:
        weights = points[..., 2]
    else:
        weights = (points != 0).any(axis=-1).astype(np.float64)
    whole = np.concatenate([points[..., :2], weights[..., None]], axis=-1)
    rows = _ROWS[points.shape[1]]
    joints = whole[:, rows]
    if rows[DWPOSE128.index("neck")] < 0:
        put_neck(joints, DWPOSE128)
    return joints


def _numbers(values: Any, name: str, source: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        raise PoseFormatError(f"{source}: {name} are no array of numbers") from None
    if array.size and array.dtype.kind not in "fiu":
        raise PoseFormatError(f"{source}: {name} are no array of numbers")
    return array.astype(np.float64)


def scores_of(members: Mapping[str, Any]) -> Any:
    """The scores beside `keypoints`: the first of the names in `SCORES` that is there, or None."""
    return next((members[name] for name in SCORES if members.get(name) is not None), None)


def is_wholebody(value: Any) -> bool:
    """Whether parsed JSON is one of the forms that `json_frames` reads."""
    if isinstance(value, dict):
        frames = value.get("frames")
        return "instance_info" in value or "keypoints" in value or is_wholebody(frames)
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and ("instances" in first or "keypoints" in first)


def json_frames(
    value: Any, source: str, budget: Budget
) -> tuple[dict[int, list[dict[str, Any]]], float]:
    """Finds the people of each frame in the JSON of a clip.

    Args:
        value: MMPose's `instance_info` or its list of `frame_id` and `instances`, AlphaPose's list
            of `image_id` and `keypoints` (also under `frames`), a list of frames with `keypoints`
            and `scores`, or both for the whole clip.
        source: name of the file, for error messages.
        budget: limits of a clip.

    Returns:
        Frame number -> the members `keypoints` and scores of each of its people, or of all of them
        at once; and frames per second, 0 where the file does not say them.

    Raises:
        PoseFormatError: another form.
    """
    fps = 0.0
    if isinstance(value, dict) and "frames" in value:
        metadata = value.get("metadata")
        stored = metadata.get("fps") if isinstance(metadata, dict) else None
        if type(stored) is int or type(stored) is float:
            fps = float(stored) if abs(stored) < 1e300 else np.inf  # an int may have many digits
        value = value["frames"]
    elif isinstance(value, dict) and "instance_info" in value:
        value = value["instance_info"]
    elif isinstance(value, dict) and isinstance(value.get("keypoints"), list):
        keypoints, scores = value["keypoints"], scores_of(value)
        scores = scores if isinstance(scores, list) else [None] * len(keypoints)
        value = [{"keypoints": rows, "scores": row} for rows, row in zip(keypoints, scores)]
    if not value or not _are_objects(value):
        raise PoseFormatError(f"{source}: no list of frames in it")
    budget.ask(source, frames=len({_number(entry, n) for n, entry in enumerate(value)}))
    frames: dict[int, list[dict[str, Any]]] = {}
    for index, entry in enumerate(value):
        people = entry.get("instances", [entry])
        if not _are_objects(people):
            raise PoseFormatError(f"{source}: frame {index} has no list of people")
        frame = frames.setdefault(_number(entry, index), [])
        frame += people
        budget.ask(source, people=len(frame))
    first, last = min(frames), max(frames)
    budget.ask(f"{source}: from {first} to {last}", frames=last - first + 1)
    return {number - first: people for number, people in frames.items()}, fps


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _number(frame: dict[str, Any], index: int) -> int:
    """The stored number of a frame, else the last number in its picture's name, else the index."""
    number = frame.get("frame_id")
    if type(number) is int:
        return number
    digits = re.findall(r"\d+", str(frame.get("image_id", "")))
    return int(digits[-1][:18]) if digits else index


def flat_people(members: dict[str, Any], source: str) -> np.ndarray:
    """The people of one entry of `json_frames`, as `people_of`.

    AlphaPose writes a person as one list of x, y and score in turn.
    """
    keypoints = members.get("keypoints")
    if isinstance(keypoints, list) and len(keypoints) in {3 * points for points in _ROWS}:
        keypoints = _numbers(keypoints, "keypoints", source).reshape(-1, 3)
        return people_of(keypoints, None, source)
    return people_of(keypoints, scores_of(members), source)
