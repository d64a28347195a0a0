"""Lifts 2D keypoints to 3D: `best` by default, `reference` for the original's own numbers.

Each clip is lifted alone, padded to one of a few lengths: its result does not depend on its batch,
and clips of many lengths share few compilations.
"""

import numpy as np

from signllm_jax.errors import ConfigError, PoseFormatError
from signllm_jax.poses import lift_best, lift_reference
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.skeleton import DWPOSE_TO_OPENPOSE50, OPENPOSE50

MODES = ("best", "reference")
LEAST_FRAMES = 64


def padded_length(frames: int) -> int:
    """The length that a clip is padded to: 64, 80, 96, 112, 128, 160 ..., four to an octave."""
    octave = LEAST_FRAMES
    while True:
        for quarter in range(4, 8):
            if octave * quarter // 4 >= frames:
                return octave * quarter // 4
        octave *= 2


def _joint_major(keypoints: np.ndarray) -> list[np.ndarray]:
    """[T, J, 3] -> three contiguous float32 [J, padded T]."""
    frames = len(keypoints)
    padding = [(0, 0), (0, padded_length(frames) - frames)]
    return [np.pad(keypoints[:, :, axis].T.astype(np.float32), padding) for axis in range(3)]


def _check(keypoints: np.ndarray) -> np.ndarray:
    keypoints = np.asarray(keypoints, np.float32)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (OPENPOSE50.size, 3) or not len(keypoints):
        raise PoseFormatError(f"keypoints must be [T, {OPENPOSE50.size}, 3], not {keypoints.shape}")
    if not np.isfinite(keypoints).all():
        raise PoseFormatError("keypoints must be finite")
    return keypoints


def reference_stages(keypoints: np.ndarray) -> dict:
    """Runs the original's lift and keeps what each stage made.

    Args:
        keypoints: float [T, 50, 3]: x and y in pixels and confidence, (0, 0, 0) = missing.

    Returns:
        What `lift_reference.run` describes, without padding: arrays [..., T].

    Raises:
        PoseFormatError: keypoints of another shape, or not finite.
    """
    keypoints = _check(keypoints)
    frames = len(keypoints)
    x, y, weight = _joint_major(keypoints)
    noise = np.pad(lift_reference.root_noise(frames), [(0, 0), (0, x.shape[1] - frames)])
    stages = lift_reference.run(x, y, weight, noise, frames, every_stage=True)

    def cut(value):
        value = np.asarray(value)
        return value[..., :frames] if value.shape[-1:] == x.shape[1:] else value

    return {
        name: type(value)(*map(cut, value)) if isinstance(value, tuple) else cut(value)
        for name, value in stages.items()
    }


def lift_reference_positions(keypoints: np.ndarray) -> np.ndarray:
    """The original's final positions, float32 [T, 50, 3], in its own unit and orientation.

    The unit is the picture's deviation and the third axis points to the viewer; divided by 9 these
    are the numbers of Prompt2Sign's `.skels`. Arguments and errors as `reference_stages`.
    """
    keypoints = _check(keypoints)
    frames = len(keypoints)
    x, y, weight = _joint_major(keypoints)
    noise = np.pad(lift_reference.root_noise(frames), [(0, 0), (0, x.shape[1] - frames)])
    position = lift_reference.run(x, y, weight, noise, frames)["position"]
    return np.asarray(position)[:, :, :frames].transpose(2, 1, 0)


def lift_keypoints(
    keypoints: np.ndarray, fps: float, mode: str = "best", place: str = "keypoints"
) -> PoseClip:
    """Lifts 2D keypoints of a clip to 3D.

    Args:
        keypoints: float [T, 50, 3] in openpose50: x to the right and y down in any one unit, and
            confidence, 0 = missing (with x and y 0, as OpenPose writes it).
        fps: frames per second.
        mode: `best`, or `reference` for the original's mathematics. The original drops frames
            without a nose, which shifts time: here they are left out of its sums and come back as
            missing frames.
        place: what to name in an error.

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
            raise PoseFormatError(f"{place}: no frame shows a nose")
        positions = np.zeros((frames, OPENPOSE50.size, 3), np.float32)
        positions[kept] = lift_reference_positions(keypoints[kept])
        confidence = np.where(kept[:, None], confidence, 0)
    else:
        flat = to_shoulder_widths(keypoints[:, :, :2], confidence, OPENPOSE50.name, place)
        x, y, weight = _joint_major(np.concatenate([flat, confidence[..., None]], axis=-1))
        positions = np.asarray(lift_best.run(x, y, weight, frames)[0])
        positions = positions[:, :, :frames].transpose(2, 1, 0)
    positions = positions * np.array([1, 1, -1], np.float32)  # to the viewer -> away from it
    positions = to_shoulder_widths(positions, confidence, OPENPOSE50.name, place)
    return PoseClip(positions, confidence.astype(np.float32), fps)


def lift_clip(clip: PoseClip, mode: str = "best", place: str = "clip") -> PoseClip:
    """Lifts a 2D clip; arguments, result and errors as `lift_keypoints`.

    Args:
        clip: an openpose50 clip (its z is ignored) or a dwpose128 clip (its face and legs are).
            A clip has forgotten where the picture's corner was, on which the original's
            normalisation depends: for the original's own numbers call `lift_keypoints` on pixels.
        mode: `best` or `reference`.
        place: what to name in an error.
    """
    positions, confidence = clip.positions, clip.confidence
    if clip.layout != OPENPOSE50.name:
        order = list(DWPOSE_TO_OPENPOSE50)
        positions, confidence = positions[:, order], confidence[:, order]
    keypoints = np.concatenate([positions[..., :2], confidence[..., None]], axis=-1)
    return lift_keypoints(keypoints, clip.fps, mode, place)
