"""Reads the people of one frame of DWPose, whatever the names of its members."""

import re
from typing import Any

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses import wholebody
from signllm_jax.poses.frames import Repairs, clear_unusable, count_repairs

LARGEST_COORDINATE = 1e5  # pixels are let through; anything larger is damage
_WRISTS = {"left_hand": 7, "right_hand": 4}
_PERSON = re.compile(
    r"^person_(\d{1,6})(?:[/_](body|face|left_hand|right_hand)_(keypoints|scores))?$"
)


def _array(value: Any, shape: tuple[int, ...], key: str, source: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise PoseFormatError(f"{source}: {key} is no array of numbers")
    if value.size != np.prod(shape):
        raise PoseFormatError(f"{source}: {key} has shape {value.shape}, not {shape}")
    return value.reshape(shape).astype(np.float64)


def _keypoints(
    points: Any, scores: Any, shape: tuple[int, ...], key: str, source: str
) -> np.ndarray:
    """float64 [*shape, 3]: x, y and confidence; 1 where there are no scores."""
    points = _array(points, (*shape, 2), key, source)
    scores = np.ones(shape) if scores is None else _array(scores, shape, f"{key} scores", source)
    return np.concatenate([points, score_confidence(scores)[..., None]], axis=-1)


def score_confidence(scores: np.ndarray) -> np.ndarray:
    """Turns the scores of a part's points into confidence, both float64 [..., points].

    Body scores may be indices in a list of points instead, -1 = none: those become 1 and 0.
    """
    whole = (scores == np.round(scores)).all(axis=-1, keepdims=True)
    large = ((scores > 1.5) | (scores == -1)).any(axis=-1, keepdims=True)
    return np.where(whole & large, scores >= 0, scores)


def _people_by_key(frame: dict[str, Any], source: str) -> list[dict[str, np.ndarray]]:
    """People of the `person_...` layouts: part -> float64 [n, 3]."""
    members: dict[int, dict[str, Any]] = {}
    for key, value in frame.items():
        match = _PERSON.match(key)
        if not match:
            continue
        number, part, kind = match.groups()
        if part is None and not isinstance(value, dict):
            raise PoseFormatError(f"{source}: {key} is no dictionary")
        members.setdefault(int(number), {}).update({f"{part}_{kind}": value} if part else value)
    people = []
    for number, arrays in sorted(members.items()):
        person = {}
        for part, joints in DWPOSE128.groups.items():
            points, scores = arrays.get(f"{part}_keypoints"), arrays.get(f"{part}_scores")
            if points is not None:
                key = f"person {number} {part}"
                person[part] = _keypoints(points, scores, (len(joints),), key, source)
        people.append(person)
    return people


def _people_by_part(frame: dict[str, Any], source: str) -> list[dict[str, np.ndarray]]:
    """People of the `bodies` / `hands` / `faces` layout: part -> float64 [n, 3]."""
    bodies, scores = frame["bodies"], frame.get("body_scores")
    if isinstance(bodies, dict):
        bodies, scores = bodies.get("candidate"), bodies.get("subset")
    if not isinstance(bodies, np.ndarray) or bodies.size % 36:
        raise PoseFormatError(f"{source}: bodies are no whole number of 18 points")
    count = bodies.size // 36
    parts = {"body": _keypoints(bodies, scores, (count, 18), "bodies", source)}
    if frame.get("hands") is not None:
        hands = frame["hands"], frame.get("hands_scores")
        # all left hands, then all right hands
        both = _keypoints(*hands, (2 * count, 21), "hands", source)
        parts |= {"left_hand": both[:count], "right_hand": both[count:]}
    if frame.get("faces") is not None:
        faces = frame["faces"], frame.get("faces_scores")
        parts["face"] = _keypoints(*faces, (count, 68), "faces", source)
    return [{part: values[n] for part, values in parts.items()} for n in range(count)]


def _give_back_hands(people: list[dict[str, np.ndarray]], repairs: Repairs) -> None:
    """Gives each person the hands nearest to the wrists.

    Prompt2Sign's extraction takes hands 2p and 2p + 1 for person p, from a list of all left hands
    followed by all right hands: with several people, hands go to the wrong person.
    """
    hands = [person[side] for person in people for side in _WRISTS if side in person]
    given = 0
    for person in people:
        if "body" not in person:
            continue
        for side, wrist in _WRISTS.items():
            x, y, seen = person["body"][wrist]
            if side not in person or seen <= 0:
                continue
            nearest = min(hands, key=lambda hand: np.hypot(hand[0, 0] - x, hand[0, 1] - y))
            given += nearest is not person[side]
            person[side] = nearest
    count_repairs(repairs, {"hands given back to their person": given})


def people_in(frame: dict[str, Any], source: str, repairs: Repairs) -> np.ndarray:
    """The people of a frame of whom any joint is seen.

    Args:
        frame: the members of a frame, in any layout.
        source: name of the file, for error messages.
        repairs: counts hands given back, and unusable joints.

    Returns:
        float32 [N, 128, 3], x, y and confidence in dwpose128.

    Raises:
        PoseFormatError: no known layout, or arrays of other shapes.
    """
    if not isinstance(frame, dict):
        raise PoseFormatError(f"{source}: a frame is no dictionary")
    if "keypoints" in frame:
        whole = wholebody.people_of(frame["keypoints"], wholebody.scores_of(frame), source)
        return seen_people(whole, repairs)
    if "bodies" in frame:
        people = _people_by_part(frame, source)
    else:
        people = _people_by_key(frame, source)
        if not people and "num_persons" not in frame:
            raise PoseFormatError(f"{source}: neither person_0 nor bodies nor keypoints in it")
    if len(people) > 1:
        _give_back_hands(people, repairs)
    keypoints = np.zeros((len(people), DWPOSE128.size, 3))
    for number, person in enumerate(people):
        for part, values in person.items():
            keypoints[number, list(DWPOSE128.groups[part])] = values
    return seen_people(keypoints, repairs)


def seen_people(keypoints: np.ndarray, repairs: Repairs) -> np.ndarray:
    """The people [N, 128, 3] without unusable joints, and without those who then have no joint."""
    keypoints = clear_unusable(keypoints, LARGEST_COORDINATE, repairs)
    return keypoints[(keypoints[..., 2] > 0).any(axis=1)]
