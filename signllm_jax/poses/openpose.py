"""Reads and writes OpenPose's JSON: a folder with one file per frame, or a clip in one file.

The format is that of OpenPose's `--write_json` (BODY_25 or COCO body, two hands; the face is not
used). A keypoint that OpenPose did not find is (0, 0, 0). `openpose_frames` lists the forms of a
clip in one file that are read; written are a zip with one file per frame, or a list of frames.
"""

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_pixels, to_shoulder_widths
from signllm_jax.poses.openpose_frames import find_frames
from signllm_jax.poses.openpose_people import People
from signllm_jax.poses.people import signer_keypoints

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
    `poses.people`). A frame without the signer, or whose file is missing between others, is a frame
    of zeros: it keeps its time.

    Args:
        path: path of one clip, as in `openpose_frames.find_frames`.
        repairs: counter to which the repairs are added.
        budget: limits of a clip.
        picture: width and height in pixels, by which coordinates of 0 to 1 or -1 to 1 are scaled
            (OpenPose's `--keypoint_scale` 3 and 4); by default the size in the file.
        camera: camera of the recording, where a file wraps several recordings.

    Returns:
        float32 [T, 50, 3] in openpose50: x and y in pixels and confidence as OpenPose gives it
        (it may exceed 1), (0, 0, 0) where missing.

    Raises:
        PoseFormatError: no frames, a damaged file, nobody in any frame, or parts of a picture of
            unknown size; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    source = str(path)
    frames = find_frames(Path(path), budget, camera)
    gathered = People(source, repairs, budget)
    for frame, name, content in frames.parsed:
        gathered.add(frame, content, name)
    people = gathered.by_frame()
    first = min(people, default=0) if frames.length is None else 0
    length = frames.length or max(people, default=-1) - first + 1
    budget.ask(source, frames=length)
    people = {frame - first: keypoints for frame, keypoints in people.items()}
    keypoints = signer_keypoints(people, length, OPENPOSE50, repairs, source)
    seen = keypoints[..., 2] > 0
    keypoints[..., :2] = to_pixels(keypoints[..., :2], seen, picture or frames.picture, source)
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
        path: path of one clip, as in `read_openpose_keypoints`.
        fps: frames per second, which OpenPose does not store.
        repairs: counter to which the repairs are added.
        budget, picture, camera: as in `read_openpose_keypoints`.

    Returns:
        An openpose50 clip in shoulder widths, confidence cut to 0..1.

    Raises:
        PoseFormatError: as `read_openpose_keypoints`, and where no frame shows both shoulders.
    """
    keypoints = read_openpose_keypoints(path, repairs, budget, picture, camera)
    budget.ask(str(path), fps, frames=len(keypoints))
    confidence = np.clip(keypoints[:, :, 2], 0, 1)
    flat = keypoints * (1, 1, 0)
    positions = to_shoulder_widths(flat, confidence, OPENPOSE50.name, str(path))
    return PoseClip(positions, confidence, fps)


def write_openpose(path: str | os.PathLike, clip: PoseClip) -> None:
    """Writes a clip in the form of OpenPose's output: BODY_25 and hands, 1280 x 720 pixels.

    Depth is lost. Missing joints are zeros, and a frame without any joint has no people.

    Args:
        path: a name ending in `.zip` for an archive, in `.json` for a list, else a folder, made if
            it does not exist. The part before its first dot begins the names of the frames' files.
        clip: an openpose50 clip.

    Raises:
        OutputError: another layout, or a file or folder that cannot be written.
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
