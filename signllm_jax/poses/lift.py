"""Lifts 2D keypoints to 3D: `best` by default, `reference` for the original's own numbers.

Each clip is lifted alone, padded to one of a few lengths: its result does not depend on its batch,
and clips of many lengths share few compilations.
"""

import itertools

import jax
import numpy as np

from signllm_jax.core.errors import ConfigError, PoseFormatError
from signllm_jax.core.skeleton import DWPOSE_TO_OPENPOSE50, OPENPOSE50
from signllm_jax.poses import lift_best, lift_reference
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.normalize import to_shoulder_widths

MODES = ("best", "reference")
LEAST_FRAMES = 64  # shortest length of the refinement
LEAST_PREPARED = 128  # shortest length of the stages before it


def padded_length(frames: int) -> int:
    """The length to which a clip is padded for refinement: 64, 80, 96, 112, 128, 160, ..."""
    octaves = (LEAST_FRAMES << octave for octave in itertools.count())
    lengths = (octave * quarter // 4 for octave in octaves for quarter in range(4, 8))
    return next(length for length in lengths if length >= frames)


def _prepared_length(frames: int) -> int:
    """The length to which a clip is padded for the stages before refinement: 128, 256, 512, ...

    These stages take most of the compile time and little of the run time.
    """
    lengths = (LEAST_PREPARED << octave for octave in itertools.count())
    return next(length for length in lengths if length >= frames)


def _joint_major(keypoints: np.ndarray) -> np.ndarray:
    """[T, J, 3] -> float32 [3, J, padded T]."""
    frames = len(keypoints)
    padding = [(0, 0), (0, 0), (0, _prepared_length(frames) - frames)]
    return np.pad(keypoints.astype(np.float32).transpose(2, 1, 0), padding)


def _cut(value, frames: int, padded: int):
    """Cuts every array of a tree that has time as its last axis to `frames`."""

    def cut(array):
        array = np.asarray(array)
        return array[..., :frames] if array.shape[-1] == padded else array

    return jax.tree.map(cut, value)


def _refine(module, pose, filled, frames: int):
    """Refines at `padded_length`; returns positions [3, J, T] and the tree, without padding."""
    length = padded_length(frames)
    pose, filled = _cut((pose, filled), length, filled.shape[2])
    return _cut(module.refined(pose, filled, frames), frames, length)


def _lift_reference(keypoints: np.ndarray):
    """The stages before the refinement, padded; the positions [3, J, T] and the tree after it."""
    keypoints = _check(keypoints)
    frames = len(keypoints)
    padded = _joint_major(keypoints)
    noise = np.pad(lift_reference.root_noise(frames), [(0, 0), (0, padded.shape[2] - frames)])
    prepared = lift_reference.prepare(padded, noise, frames)
    return prepared, *_refine(lift_reference, prepared.start, prepared.filled, frames)


def _check(keypoints: np.ndarray) -> np.ndarray:
    keypoints = np.asarray(keypoints, np.float32)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (OPENPOSE50.size, 3) or not len(keypoints):
        raise PoseFormatError(f"keypoints must be [T, {OPENPOSE50.size}, 3], not {keypoints.shape}")
    if not np.isfinite(keypoints).all():
        raise PoseFormatError("keypoints must be finite")
    return keypoints


def reference_stages(keypoints: np.ndarray) -> dict:
    """Runs the original's lift and keeps the result of each stage.

    Args:
        keypoints: float [T, 50, 3]: x and y in pixels and confidence, (0, 0, 0) = missing.

    Returns:
        `normalized`, `pruned`, `filled` (float32 [3, 50, T]: x, y, weight), `start` and `final`
        (`tree.Pose`), `position` (float32 [3, 50, T]), `start_objective`, `final_objective`.

    Raises:
        PoseFormatError: keypoints of another shape, or not finite.
    """
    prepared, position, final = _lift_reference(keypoints)
    frames = len(keypoints)
    prepared = _cut(prepared, frames, prepared.filled.shape[2])
    objective = jax.jit(lift_reference.objective)
    return prepared._asdict() | {
        "final": final,
        "position": position,
        "start_objective": float(objective(prepared.start, *prepared.filled, frames)),
        "final_objective": float(objective(final, *prepared.filled, frames)),
    }


def lift_reference_positions(keypoints: np.ndarray) -> np.ndarray:
    """The original's final positions, float32 [T, 50, 3], in its own unit and orientation.

    The unit is the standard deviation of the keypoints and the third axis points to the viewer;
    divided by 9 these are the numbers of Prompt2Sign's `.skels`. Arguments and errors as
    `reference_stages`.
    """
    _, position, _ = _lift_reference(keypoints)
    return position.transpose(2, 1, 0)


def lift_keypoints(
    keypoints: np.ndarray, fps: float, mode: str = "best", source: str = "keypoints"
) -> PoseClip:
    """Lifts 2D keypoints of a clip to 3D.

    Args:
        keypoints: float [T, 50, 3] in openpose50: x to the right and y down in any unit, and
            confidence, 0 = missing (with x and y 0, as OpenPose writes it).
        fps: frames per second.
        mode: `best`, or `reference` for the original's mathematics. The original drops frames
            without a nose, which shifts time: here they are left out of its sums and come back as
            missing frames.
        source: name of the file, for error messages.

    Returns:
        An openpose50 clip. Joints that the keypoints miss stay missing.

    Raises:
        ConfigError: an unknown mode.
        PoseFormatError: keypoints of another shape, not finite, or without shoulders.
    """
    if mode not in MODES:
        raise ConfigError(f"unknown lift mode {mode!r}: known are {', '.join(MODES)}")
    keypoints = _check(keypoints)
    confidence = np.clip(keypoints[:, :, 2], 0, 1)
    frames = len(keypoints)
    if mode == "reference":
        kept = keypoints[:, 0, 0] != 0
        if not kept.any():
            raise PoseFormatError(f"{source}: no frame shows a nose")
        positions = np.zeros((frames, OPENPOSE50.size, 3), np.float32)
        positions[kept] = lift_reference_positions(keypoints[kept])
        confidence = np.where(kept[:, None], confidence, 0)
    else:
        flat = to_shoulder_widths(keypoints[:, :, :2], confidence, OPENPOSE50.name, source)
        seen = _joint_major(np.concatenate([flat, confidence[..., None]], axis=-1))
        filled, first = lift_best.prepare(seen, frames)
        positions = _refine(lift_best, first, filled, frames)[0].transpose(2, 1, 0)
    positions = positions * np.array([1, 1, -1], np.float32)  # to the viewer -> away from it
    positions = to_shoulder_widths(positions, confidence, OPENPOSE50.name, source)
    return PoseClip(positions, confidence.astype(np.float32), fps)


def lift_clip(clip: PoseClip, mode: str = "best", source: str = "clip") -> PoseClip:
    """Lifts a 2D clip; arguments, result and errors as `lift_keypoints`.

    Args:
        clip: an openpose50 clip, whose z is ignored, or a dwpose128 clip, whose face and legs are
            ignored. A clip does not store the corner of the picture, on which the original's
            normalization depends: for the original's own numbers call `lift_keypoints` on pixels.
        mode: `best` or `reference`.
        source: name of the file, for error messages.
    """
    positions, confidence = clip.positions, clip.confidence
    if clip.layout != OPENPOSE50.name:
        order = list(DWPOSE_TO_OPENPOSE50)
        positions, confidence = positions[:, order], confidence[:, order]
    keypoints = np.concatenate([positions[..., :2], confidence[..., None]], axis=-1)
    return lift_keypoints(keypoints, clip.fps, mode, source)
