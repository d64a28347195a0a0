"""Reads and writes OpenPose's JSON: a folder of one file a frame, or the same as one file.

The format is that of OpenPose's `--write_json` (BODY_25 or COCO body, two hands; the face is not
used). A keypoint that OpenPose did not find is (0, 0, 0). As one file a clip is a zip of such files
(`.zip`), or a list of what is in them (`.json`), which OpenPose itself does not write.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import (
    MAX_FRAMES,
    Repairs,
    clear_unusable,
    numbered_files,
    numbered_names,
    read_file,
    write_file,
)
from signllm_jax.poses.normalize import to_shoulder_widths

MAX_BYTES = 8 * 2**20  # of one frame's file; a crowd of a hundred people has 1 MB
MAX_CLIP_BYTES = 64 * 2**20  # of a clip in one file, decompressed
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


def _json(content: bytes, place: str) -> object:
    if not content.strip():  # a frame that was not written to its end shows nobody
        return {"people": []}
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise PoseFormatError(f"{place}: JSON nested too deep") from None
    except ValueError as error:  # damaged JSON, bad UTF-8, a number of thousands of digits
        raise PoseFormatError(f"{place}: {error}") from None


def _best_person(content: object, place: str, repairs: Repairs) -> np.ndarray | None:
    """The most confident person of a frame, float32 [50, 3], or None without anybody."""
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise PoseFormatError(f"{place}: no list of people in it")
    if len(people) > 1:
        repairs["frames with several people"] += 1
    found = [_person(person, place, repairs) for person in people]
    found = [keypoints for keypoints in found if keypoints[:, 2].any()]
    return max(found, key=lambda keypoints: keypoints[:, 2].mean()) if found else None


def _frames(path: Path) -> tuple[Iterator[tuple[int, str, object]], int]:
    """(frame, place, JSON) of a folder, an archive or a list, and the length in frames."""
    if path.suffix.lower() == ".zip" and path.is_file():
        return _archived(path)
    if path.suffix.lower() == ".json" and path.is_file():
        frames = _json(read_file(path, MAX_CLIP_BYTES), str(path))
        if not isinstance(frames, list) or not 0 < len(frames) <= MAX_FRAMES:
            raise PoseFormatError(f"{path}: no list of 1 to {MAX_FRAMES} frames in it")
        named = ((n, f"{path}: frame {n}", frame) for n, frame in enumerate(frames))
        return named, len(frames)
    files, length = numbered_files(path, _NAME)
    read = ((n, str(file), _json(read_file(file, MAX_BYTES), str(file))) for n, file in files)
    return read, length


def _archived(path: Path) -> tuple[Iterator[tuple[int, str, object]], int]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            sizes = [member.file_size for member in members]
            if len(members) > MAX_FRAMES or sum(sizes) > MAX_CLIP_BYTES:
                raise PoseFormatError(
                    f"{path}: {len(members)} members of {sum(sizes)} bytes are more than the "
                    f"{MAX_FRAMES} members and {MAX_CLIP_BYTES} bytes that are read"
                )
            names = [member.filename for member in members]
            found, length = numbered_names(names, _NAME, str(path))
            contents = []
            for number, name in found:
                with archive.open(name) as file:  # an announced size is not to be trusted
                    contents.append((number, name, file.read(MAX_BYTES + 1)))
    except PoseFormatError:
        raise
    except Exception as error:  # damage shows as almost any error of zipfile and zlib
        reason = " ".join(f"{error}".split()) or type(error).__name__
        raise PoseFormatError(f"{path}: not a readable archive: {reason:.200}") from None
    if any(len(content) > MAX_BYTES for _, _, content in contents):
        raise PoseFormatError(f"{path}: a frame is larger than {MAX_BYTES} bytes")
    places = ((number, f"{path}: {name:.80}", content) for number, name, content in contents)
    return ((number, place, _json(content, place)) for number, place, content in places), length


def read_openpose_keypoints(path: str | os.PathLike, repairs: Repairs | None = None) -> np.ndarray:
    """Reads a clip of OpenPose JSON as pixels.

    Frames are ordered by the number in their names. Of several people the one with the highest
    mean confidence is taken, frame by frame. A frame without a person, or whose file is absent
    between others, is a frame of zeros: it keeps its time.

    Args:
        path: one clip: a folder or a `.zip` of files named `<clip>_<number>_keypoints.json`, or a
            `.json` list of their contents.
        repairs: counts what was put right.

    Returns:
        float32 [T, 50, 3] in openpose50: x and y in pixels and confidence as OpenPose gives it
        (it may exceed 1), (0, 0, 0) where missing.

    Raises:
        PoseFormatError: no frames, a damaged file, or nobody in any frame; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    frames, length = _frames(Path(path))
    keypoints = np.zeros((length, OPENPOSE50.size, 3), np.float32)
    files = empty = 0
    for frame, place, content in frames:
        files += 1
        person = _best_person(content, place, repairs)
        if person is None:
            empty += 1
        else:
            keypoints[frame] = person
    if empty == files:
        raise PoseFormatError(f"{path}: nobody in any of {length} frames")
    for name, count in (
        ("frames without a person", empty),
        ("frames without a file", length - files),
    ):
        if count:
            repairs[name] += count
    return keypoints


def read_openpose(path: str | os.PathLike, fps: float, repairs: Repairs | None = None) -> PoseClip:
    """Reads a clip of OpenPose JSON as a flat clip, z = 0; `poses.lift` gives it depth.

    Args:
        path: one clip, as `read_openpose_keypoints`.
        fps: frames per second, which OpenPose does not store.
        repairs: counts what was put right.

    Returns:
        An openpose50 clip in shoulder widths, confidence cut to 0..1.

    Raises:
        PoseFormatError: as `read_openpose_keypoints`, and where no frame shows both shoulders.
    """
    keypoints = read_openpose_keypoints(path, repairs)
    confidence = np.clip(keypoints[:, :, 2], 0, 1)
    positions = np.zeros(keypoints.shape, np.float32)
    positions[:, :, :2] = to_shoulder_widths(
        keypoints[:, :, :2], confidence, OPENPOSE50.name, str(path)
    )
    return PoseClip(positions, confidence, fps)


def write_openpose(path: str | os.PathLike, clip: PoseClip) -> None:
    """Writes a clip as OpenPose would have seen it: BODY_25 and hands in 1280 x 720 pixels.

    Depth is lost. Missing joints are zeros, and a frame without any joint has no people.

    Args:
        path: a name in `.zip` for an archive, in `.json` for a list, else a folder, made if it
            does not exist. What is before its first dot becomes the name of the frames' files.
        clip: an openpose50 clip.

    Raises:
        OutputError: another layout, or a place that cannot be written.
    """
    if clip.layout != OPENPOSE50.name:
        raise OutputError(f"{path}: OpenPose files take openpose50 clips, not {clip.layout}")
    path = Path(path)
    pixels = clip.positions[:, :, :2].astype(np.float64) * _PIXELS_A_WIDTH + _NECK
    keypoints = np.concatenate([pixels, clip.confidence[..., None]], axis=-1)
    keypoints = np.where(clip.observed[..., None], keypoints, 0).round(4)
    frames = [{"version": 1.3, "people": _people(frame)} for frame in keypoints]
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_file(path, json.dumps(frames).encode())
        return
    stem = path.name.lstrip(".").partition(".")[0] if suffix == ".zip" else path.name
    files = {f"{stem}_{n:012d}_keypoints.json": json.dumps(f) for n, f in enumerate(frames)}
    if suffix == ".zip":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        write_file(path, content.getvalue())
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    for name, text in files.items():
        write_file(path / name, text.encode())


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
