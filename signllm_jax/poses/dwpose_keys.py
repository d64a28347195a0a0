"""The people in one frame of DWPose members, whatever names the members go by."""

import re
from typing import Any

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses import wholebody
from signllm_jax.poses.frames import Repairs, clear_unusable

LARGEST_COORDINATE = 1e5  # pixels are let through; anything larger is damage
_PARTS = {"body": 18, "left_hand": 21, "right_hand": 21, "face": 68}
_WRISTS = {"left_hand": 7, "right_hand": 4}
_PERSON = re.compile(
    r"^person_(\d{1,6})(?:[/_](body|face|left_hand|right_hand)_(keypoints|scores))?$"
)


def _array(value: Any, shape: tuple[int, ...], key: str, place: str) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise PoseFormatError(f"{place}: {key} is no array of numbers")
    if value.shape != shape and value.size != np.prod(shape):
        raise PoseFormatError(f"{place}: {key} has shape {value.shape}, not {shape}")
    return value.reshape(shape).astype(np.float64)


def score_confidence(scores: np.ndarray) -> np.ndarray:
    """Turns DWPose's scores into confidence, both float64 [...].

    Body scores may be places in a list of points instead, -1 = none: those become 1 and 0.
    """
    places = (scores == np.round(scores)).all() and ((scores > 1.5) | (scores == -1)).any()
    return (scores >= 0).astype(np.float64) if places else scores


def _people_by_key(frame: dict[str, Any], place: str) -> list[dict[str, np.ndarray]]:
    """People of the `person_...` layouts: part -> float64 [n, 3]."""
    flat: dict[int, dict[str, Any]] = {}
    for key, value in frame.items():
        match = _PERSON.match(key)
        if not match:
            continue
        keys = flat.setdefault(int(match.group(1)), {})
        if match.group(2):
            keys[f"{match.group(2)}_{match.group(3)}"] = value
        elif isinstance(value, dict):
            keys.update(value)
        else:
            raise PoseFormatError(f"{place}: {key} is no dictionary")
    people = []
    for number, keys in sorted(flat.items()):
        person = {}
        for part, size in _PARTS.items():
            points, scores = keys.get(f"{part}_keypoints"), keys.get(f"{part}_scores")
            if points is None:
                continue
            name = f"person {number} {part}"
            points = _array(points, (size, 2), name, place)
            scores = np.ones(size) if scores is None else _array(scores, (size,), name, place)
            person[part] = np.concatenate([points, score_confidence(scores)[:, None]], axis=1)
        people.append(person)
    return people


def _people_by_part(frame: dict[str, Any], place: str) -> list[dict[str, np.ndarray]]:
    """People of the `bodies` / `hands` / `faces` layout: part -> float64 [n, 3]."""
    bodies, scores = frame["bodies"], frame.get("body_scores")
    if isinstance(bodies, dict):
        bodies, scores = bodies.get("candidate"), bodies.get("subset")
    if not isinstance(bodies, np.ndarray) or bodies.size % 36:
        raise PoseFormatError(f"{place}: bodies are no whole number of 18 points")
    count = bodies.size // 36

    def part(name, values, weights, size, many):
        values = _array(values, (many, size, 2), name, place)
        if weights is None:
            weights = np.ones((many, size))
        else:
            weights = _array(weights, (many, size), f"{name} scores", place)
        weights = np.stack([score_confidence(row) for row in weights]) if many else weights
        return np.concatenate([values, weights[..., None]], axis=-1)

    body = part("bodies", bodies, scores, 18, count)
    people = [{"body": body[person]} for person in range(count)]
    if frame.get("hands") is not None:
        # all left hands, then all right hands
        hands = part("hands", frame["hands"], frame.get("hands_scores"), 21, 2 * count)
        for person in range(count):
            people[person]["left_hand"] = hands[person]
            people[person]["right_hand"] = hands[count + person]
    if frame.get("faces") is not None:
        faces = part("faces", frame["faces"], frame.get("faces_scores"), 68, count)
        for person in range(count):
            people[person]["face"] = faces[person]
    return people


def _give_back_hands(people: list[dict[str, np.ndarray]], repairs: Repairs) -> None:
    """Gives each person the hands nearest to the wrists.

    Prompt2Sign's extraction pairs hands by (2p, 2p + 1) in a list of all left hands followed by
    all right ones, so that with several people hands go to the wrong person.
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
    if given:
        repairs["hands given back to their person"] += given


def people_in(frame: dict[str, Any], place: str, repairs: Repairs) -> np.ndarray:
    """The people of a frame of whom anything is seen.

    Args:
        frame: the members of a frame, of any layout.
        place: the file, to name in an error.
        repairs: counts hands given back, and unusable joints.

    Returns:
        float32 [N, 128, 3], x, y and confidence in dwpose128.

    Raises:
        PoseFormatError: no known layout, or arrays of other shapes.
    """
    if not isinstance(frame, dict):
        raise PoseFormatError(f"{place}: a frame is no dictionary")
    if "keypoints" in frame:
        whole = wholebody.people_of(frame["keypoints"], wholebody.scores_of(frame), place)
        whole = clear_unusable(whole, LARGEST_COORDINATE, repairs)
        return whole[(whole[..., 2] > 0).any(axis=1)]
    if "bodies" in frame:
        people = _people_by_part(frame, place)
    else:
        people = _people_by_key(frame, place)
        if not people and "num_persons" not in frame:
            raise PoseFormatError(f"{place}: neither person_0 nor bodies nor keypoints in it")
    if len(people) > 1:
        _give_back_hands(people, repairs)
    found = []
    for person in people:
        keypoints = np.zeros((DWPOSE128.size, 3))
        for part, values in person.items():
            keypoints[list(DWPOSE128.groups[part])] = values
        keypoints = clear_unusable(keypoints, LARGEST_COORDINATE, repairs)
        if keypoints[:, 2].any():
            found.append(keypoints)
    return np.stack(found) if found else np.zeros((0, DWPOSE128.size, 3), np.float32)
