"""Reads and writes OpenPose's JSON: a folder of one file a frame, or a clip in one file.

The format is that of OpenPose's `--write_json` (BODY_25 or COCO body, two hands; the face is not
used). A keypoint that OpenPose did not find is (0, 0, 0). The forms of a clip in one file are those
of `openpose_frames`; what is written is a zip of a file a frame, or a list of what is in them.
"""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_pixels, to_shoulder_widths
from signllm_jax.poses.openpose_frames import find_frames
from signllm_jax.poses.openpose_people import People
from signllm_jax.poses.people import signers

# the picture that clips are written into: 1280 x 720, the neck in the upper middle
_PIXELS_A_WIDTH, _NECK = 200.0, np.array([640.0, 300.0])


def read_openpose_keypoints(
    path: str | os.PathLike,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
    picture: tuple[int, int] | None = None,
    camera: str = "",
) -> np.ndarray:
    """Reads a clip of OpenPose JSON as pixels.

    Frames are ordered by the number in their names. Of several people the signer is followed (see
    `poses.people`). A frame without the signer, or whose file is absent between others, is a frame
    of zeros: it keeps its time.

    Args:
        path: one clip, as `openpose_frames.find_frames`.
        repairs: counts what was put right.
        budget: limits of a clip.
        picture: width and height in pixels, which coordinates of 0 to 1 or -1 to 1 are parts of
            (OpenPose's `--keypoint_scale` 3 and 4); by default what the file says.
        camera: which recording, where a file wraps several.

    Returns:
        float32 [T, 50, 3] in openpose50: x and y in pixels and confidence as OpenPose gives it
        (it may exceed 1), (0, 0, 0) where missing.

    Raises:
        PoseFormatError: no frames, a damaged file, nobody in any frame, or parts of a picture of
            unknown size; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    place = str(path)
    found = find_frames(Path(path), budget, camera)
    gathered = People(place, repairs, budget)
    for frame, name, content in found.parsed:
        gathered.add(frame, content, name)
    read = gathered.by_frame()
    empty = sum(not len(people) for people in read.values())
    first = min(read, default=0) if found.length is None else 0
    length = found.length or max(read, default=-1) - first + 1
    budget.ask(place, frames=length)
    if empty == len(read):
        raise PoseFormatError(f"{place}: nobody in any of {length} frames")
    for name, count in (
        ("frames without a person", empty),
        ("frames without a file", length - len(read)),
    ):
        if count:
            repairs[name] += count
    people = [np.zeros((0, OPENPOSE50.size, 3), np.float32)] * length
    for frame, there in read.items():
        people[frame - first] = there
    keypoints = np.zeros((length, OPENPOSE50.size, 3), np.float32)
    for frame, person in enumerate(signers(people, OPENPOSE50, repairs)):
        if person >= 0:
            keypoints[frame] = people[frame][person]
    flat = keypoints[..., :2]
    keypoints[..., :2] = to_pixels(flat, keypoints[..., 2] > 0, picture or found.picture, place)
    return keypoints


def read_openpose(
    path: str | os.PathLike,
    fps: float,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
    picture: tuple[int, int] | None = None,
    camera: str = "",
) -> PoseClip:
    """Reads a clip of OpenPose JSON as a flat clip, z = 0; `poses.lift` gives it depth.

    Args:
        path: one clip, as `read_openpose_keypoints`.
        fps: frames per second, which OpenPose does not store.
        repairs: counts what was put right.
        budget, picture, camera: as `read_openpose_keypoints`.

    Returns:
        An openpose50 clip in shoulder widths, confidence cut to 0..1.

    Raises:
        PoseFormatError: as `read_openpose_keypoints`, and where no frame shows both shoulders.
    """
    keypoints = read_openpose_keypoints(path, repairs, budget, picture, camera)
    budget.ask(str(path), fps, frames=len(keypoints))
    confidence = np.clip(keypoints[:, :, 2], 0, 1)
    positions = np.zeros(keypoints.shape, np.float32)
    positions[:, :, :2] = to_shoulder_widths(
        keypoints[:, :, :2], confidence, OPENPOSE50.name, str(path)
    )
    return PoseClip(positions, confidence, fps)


def write_openpose(path: str | os.PathLike, clip: PoseClip) -> None:
    """Writes a clip in the form of OpenPose's output: BODY_25 and hands, 1280 x 720 pixels.

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
        write_whole(path, json.dumps(frames).encode())
        return
    stem = path.name.lstrip(".").partition(".")[0] if suffix == ".zip" else path.name
    files = {f"{stem}_{n:012d}_keypoints.json": json.dumps(f) for n, f in enumerate(frames)}
    if suffix == ".zip":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        write_whole(path, content.getvalue())
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
    for name, text in files.items():
        write_whole(path / name, text.encode())


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
