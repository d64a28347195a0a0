"""Reads pose-format `.pose` files with MediaPipe Holistic landmarks into PoseClips.

MediaPipe gives x and y in pixels after scaling by the picture, but leaves z in picture widths:
depth has to be multiplied by the width in pixels that z was measured in. The width of a file
that was rescaled afterwards (as the ones of `spoken-to-signed` were) is not in its header, so
the factor is a parameter.
"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from signllm_jax.errors import PoseFormatError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.skeleton import OPENPOSE50

ARM_DEPTH = 0.15
"""Arm depth factor as a part of the hands' one: MediaPipe's body model draws arms that much too
deep (least variation of upper arm and forearm lengths over signers at 0.13 to 0.2)."""

_ARMS = {"right": (2, 3, 4), "left": (5, 6, 7)}  # shoulder, elbow, wrist in openpose50
_HANDS = {"left": 8, "right": 29}
_FINGERS = ("THUMB", "INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
_THUMB_PARTS = ("CMC", "MCP", "IP", "TIP")
_FINGER_PARTS = ("MCP", "PIP", "DIP", "TIP")
_HAND_POINTS = ("WRIST",) + tuple(
    f"{finger}_{part}"
    for finger in _FINGERS
    for part in (_THUMB_PARTS if finger == "THUMB" else _FINGER_PARTS)
)


def read_pose_file(
    path: str | os.PathLike, hand_depth: float | None = None, arm_depth: float | None = None
) -> PoseClip:
    """Reads the first person of a `.pose` file.

    Args:
        path: the file: a name, a Path or a package resource.
        hand_depth: pixels per unit of hand z, taken relative to the hand's own wrist. Default:
            the picture width in the file's header, right for a file that was never rescaled.
        arm_depth: pixels per unit of body z, relative to the neck; default `ARM_DEPTH` of it.

    Returns:
        An openpose50 clip [T, 50, 3] in shoulder widths. A missing joint has position 0 and
        confidence 0. Where a hand is seen the arm's wrist is the hand's wrist.

    Raises:
        PoseFormatError: the file is damaged, or is not MediaPipe Holistic; it names the file.
    """
    path = Path(path) if isinstance(path, str) else path
    name = PurePath(str(path)).name
    header, positions, confidence, fps = _load(path, name)
    points = _point_index(header, name)
    if hand_depth is None:
        hand_depth = float(header.dimensions.width)
    if arm_depth is None:
        arm_depth = ARM_DEPTH * hand_depth

    frames = len(positions)
    clip = np.zeros((frames, OPENPOSE50.size, 3))
    seen = np.zeros((frames, OPENPOSE50.size))

    def put(joints, component, names: Sequence[str], depth):
        rows = [points[component, point] for point in names]
        clip[:, joints] = positions[:, rows] * (1, 1, depth)
        seen[:, joints] = confidence[:, rows]

    put([0], "POSE_LANDMARKS", ("NOSE",), arm_depth)
    for side, arm in _ARMS.items():
        parts = [f"{side.upper()}_{part}" for part in ("SHOULDER", "ELBOW", "WRIST")]
        put(list(arm), "POSE_LANDMARKS", parts, arm_depth)
    clip[:, 1] = (clip[:, 2] + clip[:, 5]) / 2
    seen[:, 1] = np.minimum(seen[:, 2], seen[:, 5])

    neck_seen = seen[:, 1] > 0
    if not neck_seen.any():
        raise PoseFormatError(f"{name}: the shoulders are never seen")
    width = np.median(np.linalg.norm(clip[neck_seen, 2, :2] - clip[neck_seen, 5, :2], axis=-1))
    if not width > 0:
        raise PoseFormatError(f"{name}: the shoulders have no width")
    origin = np.median(clip[neck_seen, 1], axis=0)

    for side, start in _HANDS.items():
        hand = list(range(start, start + 21))
        put(hand, f"{side.upper()}_HAND_LANDMARKS", _HAND_POINTS, hand_depth)
        _attach_hand(clip, seen, _ARMS[side][2], start)

    clip = np.where(seen[..., None] > 0, (clip - origin) / width, 0)
    return PoseClip(clip.astype(np.float32), seen.astype(np.float32), fps)


def _attach_hand(clip: np.ndarray, seen: np.ndarray, wrist: int, start: int) -> None:
    """Hangs a hand [T, 21, 3] on its arm: x, y from the hand, depth from the arm's wrist."""
    hand = slice(start, start + 21)
    shown = seen[:, start] > 0
    depth = clip[:, wrist, 2].copy()
    if (known := seen[:, wrist] > 0).any():  # a hand may be seen where its arm is not
        moments = np.arange(len(clip))
        depth = np.interp(moments, moments[known], depth[known])
    else:
        depth = np.repeat(np.median(clip[:, 1, 2]), len(clip))
    clip[:, hand, 2] += (depth - clip[:, start, 2])[:, None]
    clip[shown, wrist] = clip[shown, start]
    seen[shown, wrist] = np.maximum(seen[shown, wrist], seen[shown, start])


def _load(path, name):
    """The header, positions [T, P, 3], confidence [T, P] and frame rate of the first person."""
    from pose_format import Pose  # part of the demo extra

    try:
        pose = Pose.read(path.read_bytes())
        positions = np.ma.getdata(pose.body.data)[:, 0]
        confidence = np.asarray(np.ma.getdata(pose.body.confidence))[:, 0]
        fps = float(pose.body.fps)
    except OSError as error:
        raise PoseFormatError(f"{name}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # the parser raises whatever the damage happens to trip over
        raise PoseFormatError(f"{name}: not a readable .pose file ({error})") from None
    if positions.ndim != 3 or positions.shape[-1] != 3 or not len(positions):
        raise PoseFormatError(f"{name}: needs frames with x, y, z, not {positions.shape}")
    finite = np.isfinite(positions).all(-1) & np.isfinite(confidence)
    confidence = np.clip(np.where(finite, confidence, 0), 0, 1)
    return pose.header, np.where(finite[..., None], positions, 0).astype(float), confidence, fps


def _point_index(header, name) -> dict[tuple[str, str], int]:
    """(component, point) -> row; raises PoseFormatError when a needed one is missing."""
    rows: dict[tuple[str, str], int] = {}
    for component in header.components:
        for point in component.points:
            rows[component.name, point] = len(rows)
    arms = [f"{side}_{part}" for side in ("LEFT", "RIGHT") for part in ("SHOULDER", "ELBOW")]
    needed = [("POSE_LANDMARKS", point) for point in ["NOSE", *arms]]
    for side in ("LEFT", "RIGHT"):
        needed.append(("POSE_LANDMARKS", f"{side}_WRIST"))
        needed += [(f"{side}_HAND_LANDMARKS", point) for point in _HAND_POINTS]
    missing = [
        f"{component}.{point}" for component, point in needed if (component, point) not in rows
    ]
    if missing:
        raise PoseFormatError(
            f"{name}: not MediaPipe Holistic: {len(missing)} landmarks are missing, "
            f"the first is {missing[0]}"
        )
    return rows
