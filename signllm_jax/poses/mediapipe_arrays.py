"""Reads MediaPipe Holistic's landmarks as plain arrays, as beginners record them.

A widespread tutorial writes a folder of `FRAME.npy` for each take of a sign: 1,662 numbers (x, y, z
and visibility of 33 body landmarks; x, y, z of 468 of the face and of 21 of each hand), or 258
without the face. A part that was not found is all zeros. x and y are parts of the picture; neither
its size nor the frames per second are recorded. One array of all frames is read as well.
"""

import os
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs, clear_unusable, count_repairs, numbered_files
from signllm_jax.poses.normalize import put_neck, to_pixels, to_shoulder_widths
from signllm_jax.poses.npz import load_npy
from signllm_jax.poses.pose_headers import BODY, BODY_POINTS, HAND_POINTS, holistic_points

SIZES = {1662: 468, 258: 0}
"""How many numbers a frame has -> how many points its face has."""
_BODY, _HAND, _BODY_NUMBERS = len(BODY_POINTS), len(HAND_POINTS), 4
_LARGEST_PART = 100.0  # parts of a picture; anything beyond is damage


def read_mediapipe(
    path: str | os.PathLike,
    fps: float,
    picture: tuple[int, int] | None,
    repairs: Repairs | None = None,
    budget: Budget = BUDGET,
) -> PoseClip:
    """Reads one take as a flat clip, z = 0; `poses.lift` gives it depth.

    Args:
        path: a folder with one `.npy` per frame, ordered by the numbers in the names, or one `.npy`
            of all frames.
        fps: frames per second.
        picture: width and height in pixels.
        repairs: counter to which the repairs are added.
        budget: limits of a clip.

    Returns:
        An openpose50 clip in shoulder widths; the neck is the middle of the shoulders.

    Raises:
        PoseFormatError: no frames, arrays of another size, nobody in any frame, or an unknown size
            of the picture; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    source = os.fspath(path)
    numbers = _numbers(Path(path), repairs, budget)
    budget.ask(source, fps, frames=len(numbers))
    keypoints = clear_unusable(_keypoints(numbers), _LARGEST_PART, repairs)
    seen = keypoints[..., 2] > 0
    if not seen.any():
        raise PoseFormatError(f"{source}: nobody in any of {len(numbers)} frames")
    count_repairs(repairs, {"frames without a person": (~seen.any(axis=1)).sum()})
    confidence = keypoints[..., 2]
    flat = to_pixels(keypoints[..., :2], seen, picture, source)
    flat = np.pad(flat, [(0, 0), (0, 0), (0, 1)])
    return PoseClip(to_shoulder_widths(flat, confidence, OPENPOSE50.name, source), confidence, fps)


def _numbers(path: Path, repairs: Repairs, budget: Budget) -> np.ndarray:
    """The numbers of all frames, float64 [T, 1662 or 258]; a missing file is a frame of zeros."""
    if not path.is_dir():
        whole = load_npy(path, budget)
        if whole.ndim != 2 or whole.shape[1] not in SIZES:
            raise PoseFormatError(f"{path}: an array {whole.shape}, not [frames, 1662 or 258]")
        budget.ask(str(path), frames=len(whole))
        return whole.astype(np.float64)
    files, length = numbered_files(path, r"^(\d+)\.npy$", budget)
    frames = {number: load_npy(file, budget) for number, file in files}
    sizes = {frame.size for frame in frames.values()}
    if len(sizes) > 1 or not sizes <= SIZES.keys():
        listed = ", ".join(map(str, sorted(sizes)[:4]))
        raise PoseFormatError(f"{path}: frames of {listed} numbers, not of 1662 or of 258")
    numbers = np.zeros((length, sizes.pop()))
    for number, frame in frames.items():
        numbers[number] = frame.ravel()
    count_repairs(repairs, {"frames without a file": length - len(files)})
    return numbers


def _keypoints(numbers: np.ndarray) -> np.ndarray:
    """[T, numbers of a frame] -> float64 [T, 50, 3]: parts of the picture and confidence."""
    keypoints = np.zeros((len(numbers), OPENPOSE50.size, 3))
    start = _BODY * _BODY_NUMBERS
    body = numbers[:, :start].reshape(-1, _BODY, _BODY_NUMBERS)
    for joint, (component, point) in holistic_points().items():
        if component == BODY:
            keypoints[:, OPENPOSE50.index(joint)] = body[:, BODY_POINTS.index(point)][:, [0, 1, 3]]
    put_neck(keypoints, OPENPOSE50)
    start += 3 * SIZES[numbers.shape[1]]
    for side in ("left", "right"):
        hand = numbers[:, start : start + 3 * _HAND].reshape(-1, _HAND, 3)
        joints = list(OPENPOSE50.groups[f"{side}_hand"])
        keypoints[:, joints, :2] = hand[..., :2]
        shown = np.any(hand, axis=(1, 2))
        keypoints[:, joints, 2] = shown[:, None]
        # as in `.pose` files, the arm ends where a seen hand begins
        wrist = OPENPOSE50.index(f"{side}_wrist")
        keypoints[shown, wrist] = keypoints[shown, joints[0]]
        start += 3 * _HAND
    return keypoints
