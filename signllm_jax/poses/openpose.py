"""Reads and writes OpenPose's JSON folders: one file a frame, a folder a clip.

The format is that of OpenPose's `--write_json` (BODY_25 or COCO body, two hands; the face is not
used). A keypoint that OpenPose did not find is (0, 0, 0).
"""

import json
import os
from pathlib import Path

import numpy as np

from signllm_jax.errors import OutputError, PoseFormatError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs, clear_unusable, numbered_files, read_file
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.skeleton import OPENPOSE50

MAX_BYTES = 8 * 2**20  # of one frame's file; a crowd of a hundred people has 1 MB
LARGEST_PIXEL = 1e5
_NAME = r"(?:^|_)(\d+)_keypoints\.json$"
_BODY_SIZES = (54, 75)  # numbers of COCO and BODY_25; their first eight joints are openpose50's
_HAND_SIZE = 63
# the picture that clips are written into: 1280 x 720, the neck in the upper middle
_PIXELS_A_WIDTH, _NECK = 200.0, np.array([640.0, 300.0])


def _numbers(person: dict, key: str, sizes: tuple[int, ...], place: str) -> np.ndarray | None:
    values = person.get(key)
    if values is None or values == []:
        return None
    if not isinstance(values, list) or len(values) not in sizes:
        size = len(values) if isinstance(values, list) else type(values).__name__
        expected = " or ".join(map(str, sizes))
        raise PoseFormatError(f"{place}: {key} has {size} numbers, not {expected}")
    if not all(type(value) in (int, float) for value in values):
        raise PoseFormatError(f"{place}: {key} holds what is no number")
    try:
        return np.array(values, np.float64).reshape(-1, 3)
    except OverflowError:
        raise PoseFormatError(f"{place}: {key} holds a number that is too large") from None


def _person(person: object, place: str, repairs: Repairs) -> np.ndarray:
    """One person's keypoints, float32 [50, 3]."""
    if not isinstance(person, dict):
        raise PoseFormatError(f"{place}: a person is no JSON object")
    keypoints = np.zeros((OPENPOSE50.size, 3))
    body = _numbers(person, "pose_keypoints_2d", _BODY_SIZES, place)
    if body is not None:
        keypoints[:8] = body[:8]
    for group, side in (("left_hand", "left"), ("right_hand", "right")):
        hand = _numbers(person, f"hand_{side}_keypoints_2d", (_HAND_SIZE,), place)
        if hand is not None:
            keypoints[list(OPENPOSE50.groups[group])] = hand
    return clear_unusable(keypoints, LARGEST_PIXEL, repairs)


def _frame(path: Path, repairs: Repairs) -> np.ndarray | None:
    """The most confident person of a frame, float32 [50, 3], or None without anybody."""
    try:
        content = json.loads(read_file(path, MAX_BYTES).decode("utf-8"))
    except RecursionError:
        raise PoseFormatError(f"{path}: JSON nested too deep") from None
    except ValueError as error:  # damaged JSON, bad UTF-8, a number of thousands of digits
        raise PoseFormatError(f"{path}: {error}") from None
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise PoseFormatError(f"{path}: no list of people in it")
    if len(people) > 1:
        repairs["frames with several people"] += 1
    found = [_person(person, str(path), repairs) for person in people]
    found = [keypoints for keypoints in found if keypoints[:, 2].any()]
    return max(found, key=lambda keypoints: keypoints[:, 2].mean()) if found else None


def read_openpose_keypoints(
    folder: str | os.PathLike, repairs: Repairs | None = None
) -> np.ndarray:
    """Reads a folder of OpenPose JSON files as pixels.

    Frames are ordered by the number in their names. Of several people the one with the highest
    mean confidence is taken, frame by frame. A frame without a person, or whose file is absent
    between others, is a frame of zeros: it keeps its time.

    Args:
        folder: one clip: files named `<clip>_<number>_keypoints.json`.
        repairs: counts what was put right.

    Returns:
        float32 [T, 50, 3] in openpose50: x and y in pixels and confidence as OpenPose gives it
        (it may exceed 1), (0, 0, 0) where missing.

    Raises:
        PoseFormatError: no frames, a damaged file, or nobody in any frame; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    files, length = numbered_files(folder, _NAME)
    keypoints = np.zeros((length, OPENPOSE50.size, 3), np.float32)
    empty = 0
    for frame, path in files:
        person = _frame(path, repairs)
        if person is None:
            empty += 1
        else:
            keypoints[frame] = person
    if empty == len(files):
        raise PoseFormatError(f"{folder}: nobody in any of {length} frames")
    for name, count in (
        ("frames without a person", empty),
        ("frames without a file", length - len(files)),
    ):
        if count:
            repairs[name] += count
    return keypoints


def read_openpose(
    folder: str | os.PathLike, fps: float, repairs: Repairs | None = None
) -> PoseClip:
    """Reads a folder of OpenPose JSON files as a flat clip, z = 0; `poses.lift` gives it depth.

    Args:
        folder: one clip, as `read_openpose_keypoints`.
        fps: frames per second, which OpenPose does not store.
        repairs: counts what was put right.

    Returns:
        An openpose50 clip in shoulder widths, confidence cut to 0..1.

    Raises:
        PoseFormatError: as `read_openpose_keypoints`, and where no frame shows both shoulders.
    """
    keypoints = read_openpose_keypoints(folder, repairs)
    confidence = np.clip(keypoints[:, :, 2], 0, 1)
    positions = np.zeros(keypoints.shape, np.float32)
    positions[:, :, :2] = to_shoulder_widths(
        keypoints[:, :, :2], confidence, OPENPOSE50.name, str(folder)
    )
    return PoseClip(positions, confidence, fps)


def write_openpose(folder: str | os.PathLike, clip: PoseClip) -> None:
    """Writes a clip as OpenPose would have seen it: BODY_25 and hands in 1280 x 720 pixels.

    Depth is lost. Missing joints are zeros, and a frame without any joint has no people.

    Args:
        folder: made if it does not exist; its name becomes that of the files.
        clip: an openpose50 clip.

    Raises:
        OutputError: another layout, or a folder that cannot be written.
    """
    if clip.layout != OPENPOSE50.name:
        raise OutputError(f"{folder}: OpenPose files take openpose50 clips, not {clip.layout}")
    folder = Path(folder)
    pixels = clip.positions[:, :, :2].astype(np.float64) * _PIXELS_A_WIDTH + _NECK
    keypoints = np.concatenate([pixels, clip.confidence[..., None]], axis=-1)
    keypoints = np.where(clip.observed[..., None], keypoints, 0).round(4)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(keypoints):
            name = f"{folder.name}_{number:012d}_keypoints.json"
            beside = folder / f"{name}.partial"
            beside.write_text(json.dumps({"version": 1.3, "people": _people(frame)}))
            beside.replace(folder / name)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None


def _people(frame: np.ndarray) -> list[dict]:
    if not frame.any():
        return []
    body = np.zeros((25, 3))
    body[:8] = frame[:8]
    hands = {
        f"hand_{group.removesuffix('_hand')}_keypoints_2d": frame[list(joints)].ravel().tolist()
        for group, joints in OPENPOSE50.groups.items()
        if group != "body"
    }
    return [{"person_id": [-1], "pose_keypoints_2d": body.ravel().tolist()} | hands]
