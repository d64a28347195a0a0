"""The people in frames of OpenPose's JSON: from parsed values to keypoints.

The numbers of many people are converted together, since one array per frame would be slow.
"""

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.frames import Repairs, clear_unusable

LARGEST_PIXEL = 1e5
_BODY_SIZES = (54, 75)  # numbers of COCO and BODY_25; their first eight joints are openpose50's
_BODY_NUMBERS = 24
_HAND_SIZE = 63
_NO_BODY, _NO_HAND = [0.0] * _BODY_NUMBERS, [0.0] * _HAND_SIZE
_PARTS = ("pose", "hand_left", "hand_right", "face")
_KNOWN = {f"{part}_keypoints{end}" for part in _PARTS for end in ("_2d", "")}
_TOGETHER = 256  # people whose numbers become one array: as lists they take eight times as much
_PERSON_BYTES = OPENPOSE50.size * 3 * 4


class People:
    """Gathers the people of a clip, frame by frame.

    Args:
        source: Name of the clip, for error messages.
        repairs: Counts unusable joints.
        budget: Limits of a clip.
    """

    def __init__(self, source: str, repairs: Repairs, budget: Budget):
        self._source, self._repairs, self._budget = source, repairs, budget
        self._people: dict[int, list[np.ndarray]] = {}
        self._waiting: list[tuple[int, str, list]] = []
        self._count = 0

    def add(self, frame: int, content: object, source: str) -> None:
        """Adds the people of a frame, instead of those that were added for it before.

        Args:
            frame: Number of the frame.
            content: Its JSON: `people` is a list, or one person as in AI-Hub's KSL corpus. Keys end
                in `_2d`, or not, as OpenPose 1.0 wrote them; three-dimensional keypoints are not
                read.
            source: Name of the frame, for error messages.

        Raises:
            PoseFormatError: No list of people, or a person in another form; too many of them.
        """
        people = content.get("people") if isinstance(content, dict) else None
        if isinstance(people, dict):
            people = [people]
        if not isinstance(people, list):
            raise PoseFormatError(f"{source}: no list of people in it")
        self._budget.ask(source, people=len(people))
        if frame in self._people:  # of a frame that occurs twice, the last one counts
            self._waiting = [person for person in self._waiting if person[0] != frame]
        self._people[frame] = []
        self._waiting += [(frame, source, _numbers(person, source)) for person in people]
        self._count += len(people)
        self._budget.ask(self._source, bytes=self._count * _PERSON_BYTES, frames=len(self._people))
        if len(self._waiting) >= _TOGETHER:
            self._convert()

    def by_frame(self) -> dict[int, np.ndarray]:
        """Frame -> float32 [N, 50, 3], x, y and confidence of its people who have a seen joint.

        Raises:
            PoseFormatError: A number is too large.
        """
        self._convert()
        nobody = np.zeros((0, OPENPOSE50.size, 3), np.float32)
        return {n: np.stack(people) if people else nobody for n, people in self._people.items()}

    def _convert(self) -> None:
        if not self._waiting:
            return
        values = np.stack([_array(row, source) for _, source, row in self._waiting])
        keypoints = values.reshape(-1, OPENPOSE50.size, 3)
        keypoints = clear_unusable(keypoints, LARGEST_PIXEL, self._repairs)
        seen = np.any(keypoints[..., 2], axis=1)
        for index in np.flatnonzero(seen):
            self._people[self._waiting[index][0]].append(keypoints[index])
        self._waiting = []


def _array(row: list, source: str) -> np.ndarray:
    try:
        return np.array(row, np.float64)
    except OverflowError:
        raise PoseFormatError(f"{source}: a number that is too large") from None


def _numbers(person: object, source: str) -> list:
    """The 150 numbers of a person in the order of openpose50."""
    if not isinstance(person, dict):
        raise PoseFormatError(f"{source}: a person is no JSON object")
    if not _KNOWN & person.keys():
        named = [key for key in person if key.endswith(("keypoints", "_2d"))]
        if named:
            raise PoseFormatError(f"{source}: a person has keys that are not known: {named[0]:.60}")
    body = _part(person, "pose", _BODY_SIZES, source)
    left = _part(person, "hand_left", (_HAND_SIZE,), source)
    right = _part(person, "hand_right", (_HAND_SIZE,), source)
    return [*(body or _NO_BODY)[:_BODY_NUMBERS], *(left or _NO_HAND), *(right or _NO_HAND)]


def _part(person: dict, part: str, sizes: tuple[int, ...], source: str) -> list | None:
    key = f"{part}_keypoints_2d"
    key = key if person.get(key) else f"{part}_keypoints" if f"{part}_keypoints" in person else key
    values = person.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) not in sizes:
        size = len(values) if isinstance(values, list) else type(values).__name__
        expected = " or ".join(map(str, sizes))
        raise PoseFormatError(f"{source}: {key} has {size} numbers, not {expected}")
    if not set(map(type, values)) <= {int, float}:
        raise PoseFormatError(f"{source}: {key} holds what is no number")
    return values
