"""Reads and writes DWPose `.npz`: a folder with one file per frame, or one file per clip.

Key layouts in use: `person_0` holding a dictionary (Prompt2Sign's tools-new-2025), the same keys
spelled out as `person_000_body_keypoints` or `person_0/body_keypoints`, a list `frame_payloads` of
such frames with `fps` and `frame_indices` (SignVerse-2M's `poses.npz`), and `bodies` / `hands` /
`faces` with their scores; coordinates are parts of the picture's width and height. The whole-body
points of `poses.wholebody` are read as well, as `.npz` of `keypoints` and `scores` and as `.json`.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.dwpose_frames import find_frames
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_pixels, to_shoulder_widths
from signllm_jax.poses.npz import save_npz
from signllm_jax.poses.people import signer_keypoints

LAYOUTS = ("person", "bodies")
LARGEST_PART = 4.0  # a coordinate beyond it is a pixel, not a part of the picture
# where clips are written: a shoulder width is a fifth of a square picture, the neck near its top
_PART_A_WIDTH, _NECK = 0.2, np.array([0.5, 0.3])


def read_dwpose(
    path: str | os.PathLike,
    fps: float,
    aspect: float | None = None,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
) -> PoseClip:
    """Reads one clip of whole-body keypoints, in any of the module's forms.

    Of several people the signer is followed (see `poses.people`). Hands that the extraction
    assigned to the wrong person are given back. Frames without the signer are missing frames. Files
    are never unpickled: see `poses.npz`.

    Args:
        path: a `.npz` or `.json` file, or a folder with one `.npz` per frame, ordered by the
            numbers in the names.
        fps: frames per second; 0 = as stored in the file.
        aspect: width of the picture / its height. Default: the aspect that the file stores; else,
            for DWPose's own keys, 1, since Prompt2Sign crops its videos to squares.
        repairs: counter to which the repairs are added.
        budget: limits of a clip.

    Returns:
        A dwpose128 clip in shoulder widths, the third number being the confidence.

    Raises:
        PoseFormatError: a damaged, hostile or oversized file, no person, no frames per second, or
            whole-body points that are parts of a picture of unknown shape; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    frames = find_frames(Path(path), budget)
    rate = fps or frames.fps
    if not rate > 0:
        raise PoseFormatError(f"{path}: no frames per second in it: give --fps")
    length = max(frames.people) + 1
    budget.ask(str(path), rate, frames=length)
    people, size = {}, 0
    for number, read in frames.people.items():
        people[number] = read(repairs)
        size += people[number].nbytes
        budget.ask(str(path), bytes=size)
    keypoints = signer_keypoints(people, length, DWPOSE128, repairs, str(path))
    aspect = aspect or frames.aspect
    if frames.pixels:
        picture = (round(1000 * aspect), 1000) if aspect else None  # any picture of that shape
        flat, seen = keypoints[..., :2], keypoints[..., 2] > 0
        keypoints[..., :2] = to_pixels(flat, seen, picture, str(path))
    return dwpose_clip(keypoints, rate, aspect, str(path), repairs)


def dwpose_clip(
    keypoints: np.ndarray,
    fps: float,
    aspect: float | None = None,
    source: str = "keypoints",
    repairs: Repairs | None = None,
) -> PoseClip:
    """Makes a clip of DWPose keypoints.

    Args:
        keypoints: float [T, 128, 3], x and y as parts of the picture and confidence, 0 = missing.
        fps: frames per second.
        aspect: width of the picture / its height, default 1.
        source: name of the file, for error messages.
        repairs: counts clips whose coordinates are pixels, for which there is no aspect.

    Returns:
        A dwpose128 clip in shoulder widths, confidence cut to 0..1.

    Raises:
        PoseFormatError: no frame shows both shoulders.
    """
    confidence = np.clip(keypoints[:, :, 2], 0, 1).astype(np.float32)
    flat = keypoints[:, :, :2].astype(np.float64)
    if np.abs(flat).max(initial=0) > LARGEST_PART:
        if repairs is not None:
            repairs["clips in pixels"] += 1
    elif aspect is not None:
        flat = flat * np.array([aspect, 1.0])
    flat = to_shoulder_widths(flat, confidence, DWPOSE128.name, source)
    positions = np.concatenate([flat, confidence[..., None]], axis=-1)
    return PoseClip(positions, confidence, fps, DWPOSE128.name)


def picture_keypoints(clip: PoseClip) -> np.ndarray:
    """A dwpose128 clip as float64 [T, 128, 3]: parts of a square picture and confidence."""
    if clip.layout != DWPOSE128.name:
        raise OutputError(f"DWPose files take dwpose128 clips, not {clip.layout}")
    flat = clip.positions[:, :, :2].astype(np.float64) * _PART_A_WIDTH + _NECK
    keypoints = np.concatenate([flat, clip.confidence[..., None]], axis=-1)
    return np.where(clip.observed[..., None], keypoints, 0)


def _members(keypoints: np.ndarray, layout: str) -> dict[str, Any]:
    """The arrays of a clip [T, 128, 3] or a frame [128, 3] under a layout's keys."""
    parts = {part: keypoints[..., list(joints), :] for part, joints in DWPOSE128.groups.items()}
    if layout == "person":
        members: dict[str, Any] = {"num_persons": np.int32(1)}
        for part, values in parts.items():
            members[f"person_000_{part}_keypoints"] = values[..., :2]
            members[f"person_000_{part}_scores"] = values[..., 2]
        return members
    hands = np.stack([parts["left_hand"], parts["right_hand"]], axis=-3)
    return {
        "bodies": parts["body"][..., :2],
        "body_scores": parts["body"][..., None, :, 2],
        "hands": hands[..., :2],
        "hands_scores": hands[..., 2],
        "faces": parts["face"][..., None, :, :2],
        "faces_scores": parts["face"][..., None, :, 2],
    }


def write_dwpose(path: str | os.PathLike, clip: PoseClip, layout: str = "person") -> None:
    """Writes a clip as DWPose `.npz`, of plain arrays, in a square picture.

    Args:
        path: a name ending in `.npz` for one file, else a folder for one file per frame.
        clip: a dwpose128 clip.
        layout: layout of the keys: `person` for `person_000_body_keypoints` and its like, or
            `bodies` for `bodies`, `hands` and `faces`.

    Raises:
        OutputError: another layout of the clip, an unknown key layout, or a file or folder that
            cannot be written.
    """
    if layout not in LAYOUTS:
        raise OutputError(f"unknown key layout {layout!r}: known are {', '.join(LAYOUTS)}")
    keypoints = picture_keypoints(clip)
    path = Path(path)
    files = {path / f"{n:08d}.npz": frame for n, frame in enumerate(keypoints, start=1)}
    for file, frame in ({path: keypoints} if path.suffix == ".npz" else files).items():
        save_npz(file, _members(frame, layout))
