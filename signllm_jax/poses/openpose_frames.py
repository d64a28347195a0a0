"""Where the frames of a clip in OpenPose's JSON lie: in a folder, an archive, or one file.

One file holds a list of frames, or a dictionary of them by number; either may stand under `frames`.
The DGS Corpus wraps the recordings of a session: a list of `camera`, `width`, `height`, `frames`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.archives import open_archive
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.frames import (
    Repairs,
    clear_unusable,
    numbered_files,
    numbered_names,
    read_file,
)
from signllm_jax.poses.json_files import SUFFIXES, load_json, parse_json
from signllm_jax.poses.openpose_session import FRAME_BYTES, NUMBER, Session, is_camera, no_camera

LARGE_BYTES = 16 * 2**20
"""A file of a clip above it is read frame by frame; a session of the DGS Corpus has hundreds."""
_LARGE_GZ = LARGE_BYTES // 8
LARGEST_PIXEL = 1e5
_NAME = r"(?i)(\d+)_keypoints\.json$"
_BODY_SIZES = (54, 75)  # numbers of COCO and BODY_25; their first eight joints are openpose50's
_HAND_SIZE = 63
_PARTS = ("pose", "hand_left", "hand_right", "face")
_KNOWN = {f"{part}_keypoints{end}" for part in _PARTS for end in ("_2d", "")}
_HANDS = {group: list(OPENPOSE50.groups[group]) for group in ("left_hand", "right_hand")}


class Frames(NamedTuple):
    """The frames of a clip.

    Attributes:
        parsed: (frame, what to name in an error, its JSON), one after the other.
        length: T; a number without a frame is a frame of its own. None where only the numbers of
            the frames tell it, the lowest of which is then the first.
        picture: width and height in pixels, where the file says them.
    """

    parsed: Iterator[tuple[int, str, object]]
    length: int | None
    picture: tuple[int, int] | None = None


def _frame(content: bytes, place: str, budget: Budget) -> object:
    """The JSON of one frame; a file that was not written to its end shows nobody."""
    return parse_json(content, place, budget) if content.strip() else {"people": []}


def find_frames(path: Path, budget: Budget, camera: str = "") -> Frames:
    """Finds the frames of a clip.

    Args:
        path: a folder or `.zip` of files `<clip>_<number>_keypoints.json`, or a `.json` or
            `.json.gz` of a whole clip.
        budget: limits of a clip.
        camera: which recording, where a file wraps several.

    Raises:
        PoseFormatError: no frames, damage, or several cameras of which none is named.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip" and not path.is_dir():
        return _archived(path, budget)
    if suffix in SUFFIXES and not path.is_dir():
        if path.stat().st_size > (_LARGE_GZ if suffix == ".gz" else LARGE_BYTES):
            return Frames(iter(Session(path, camera)), None)
        return _in_value(load_json(path, budget), str(path), budget, camera)
    files, length = numbered_files(path, _NAME, budget)
    return Frames(_in_folder(files, str(path), budget), length)


def _in_folder(files, folder: str, budget: Budget) -> Iterator[tuple[int, str, object]]:
    total = 0
    for number, file in files:
        content = read_file(file, min(FRAME_BYTES, budget.bytes))
        total += len(content)
        budget.ask(folder, bytes=total)
        yield number, str(file), _frame(content, str(file), budget)


def _archived(path: Path, budget: Budget) -> Frames:
    limit = min(FRAME_BYTES, budget.bytes)
    with open_archive(path, budget) as archive:
        names = [member.filename for member in archive.infolist()]
        found, length = numbered_names(names, _NAME, str(path), budget)
        contents, total = [], 0
        for number, name in found:
            try:
                with archive.open(name) as file:  # an announced size is not to be trusted
                    content = file.read(limit + 1)
            except Exception as error:  # damage shows as almost any error of zipfile and zlib
                reason = " ".join(f"{error}".split()) or type(error).__name__
                raise PoseFormatError(f"{path}: not a readable archive: {reason:.200}") from None
            total += len(content)
            budget.ask(str(path), bytes=total)
            if len(content) > limit:
                raise PoseFormatError(f"{path}: {name:.80} is larger than {limit} bytes")
            contents.append((number, f"{path}: {name:.80}", content))
    parsed = ((n, place, _frame(content, place, budget)) for n, place, content in contents)
    return Frames(parsed, length)


def _in_value(value: object, place: str, budget: Budget, camera: str) -> Frames:
    """The frames in the JSON of a whole clip."""
    if isinstance(value, list) and value and all(_is_recording(each) for each in value):
        recording = _recording(value, place, camera)
        size = recording.get("width"), recording.get("height")
        known = all(type(side) is int and 0 < side < 1e5 for side in size)
        inner = _in_value(recording["frames"], place, budget, "")
        return inner._replace(picture=size if known else None)
    if isinstance(value, dict) and "people" in value:
        value = [value]
    elif isinstance(value, dict) and "frames" in value:
        value = value["frames"]
    if isinstance(value, list) and value:
        budget.ask(place, frames=len(value))
        named = ((n, f"{place}: frame {n}", frame) for n, frame in enumerate(value))
        return Frames(named, len(value))
    if isinstance(value, dict) and value:
        found, length = numbered_names(value, NUMBER.pattern, place, budget)
        named = ((n, f"{place}: frame {name:.40}", value[name]) for n, name in found)
        return Frames(named, length)
    raise PoseFormatError(f"{place}: no list of frames in it")


def _is_recording(value: object) -> bool:
    return isinstance(value, dict) and "people" not in value and "frames" in value


def _recording(recordings: list[dict], place: str, camera: str) -> Mapping:
    if len(recordings) == 1 and not camera:
        return recordings[0]
    names = [str(each.get("camera", number)) for number, each in enumerate(recordings)]
    fit = [number for number, name in enumerate(names) if is_camera(name, camera)]
    if camera in names or len(fit) == 1:
        return recordings[names.index(camera) if camera in names else fit[0]]
    raise no_camera(names, place, camera)


def people_in(content: object, place: str, repairs: Repairs, budget: Budget) -> np.ndarray:
    """The people of a frame of whom anything is seen.

    Args:
        content: its JSON: `people` is a list, or one person as AI-Hub's KSL corpus has it. Keys end
            in `_2d`, or not, as OpenPose 1.0 wrote them; three-dimensional ones are not read.
        place: what to name in an error.
        repairs: counts unusable joints.
        budget: how many people a frame may have.

    Returns:
        float32 [N, 50, 3], x, y and confidence.

    Raises:
        PoseFormatError: no list of people, or a person in another form.
    """
    people = content.get("people") if isinstance(content, dict) else None
    if isinstance(people, dict):
        people = [people]
    if not isinstance(people, list):
        raise PoseFormatError(f"{place}: no list of people in it")
    budget.ask(place, people=len(people))
    found = [_person(person, place, repairs) for person in people]
    found = [keypoints for keypoints in found if keypoints[:, 2].any()]
    return np.stack(found) if found else np.zeros((0, OPENPOSE50.size, 3), np.float32)


def _person(person: object, place: str, repairs: Repairs) -> np.ndarray:
    """One person's keypoints, float32 [50, 3]."""
    if not isinstance(person, dict):
        raise PoseFormatError(f"{place}: a person is no JSON object")
    keypoints = np.zeros((OPENPOSE50.size, 3))
    named = [key for key in person if key.endswith(("keypoints", "_2d"))]
    if named and not _KNOWN & person.keys():
        raise PoseFormatError(f"{place}: a person has keys that are not known: {named[0]:.60}")
    body = _numbers(person, "pose", _BODY_SIZES, place)
    if body is not None:
        keypoints[:8] = body[:8]
    for group, side in (("left_hand", "left"), ("right_hand", "right")):
        hand = _numbers(person, f"hand_{side}", (_HAND_SIZE,), place)
        if hand is not None:
            keypoints[_HANDS[group]] = hand
    return clear_unusable(keypoints, LARGEST_PIXEL, repairs)


def _numbers(person: dict, part: str, sizes: tuple[int, ...], place: str) -> np.ndarray | None:
    key = f"{part}_keypoints_2d"
    key = key if person.get(key) else f"{part}_keypoints" if f"{part}_keypoints" in person else key
    values = person.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) not in sizes:
        size = len(values) if isinstance(values, list) else type(values).__name__
        expected = " or ".join(map(str, sizes))
        raise PoseFormatError(f"{place}: {key} has {size} numbers, not {expected}")
    if not set(map(type, values)) <= {int, float}:
        raise PoseFormatError(f"{place}: {key} holds what is no number")
    try:
        return np.array(values, np.float64).reshape(-1, 3)
    except OverflowError:
        raise PoseFormatError(f"{place}: {key} holds a number that is too large") from None
