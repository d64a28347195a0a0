"""Reads and writes pose-format `.pose` files with the points of MediaPipe Holistic or OpenPose.

MediaPipe gives x and y in pixels after scaling by the picture, but leaves z in picture widths:
depth has to be multiplied by the width in pixels of the picture in which z was measured. This width
is not in the header of a file that was rescaled afterwards (like those of `spoken-to-signed`), so
the factor is a parameter. Files whose z is in pixels already are recognized by their hands.
"""

import io
import os
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath

import numpy as np

from signllm_jax.core.errors import OutputError, PoseFormatError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.skeleton import DWPOSE128, OPENPOSE50, Layout, get_layout
from signllm_jax.poses import pose_headers, pose_points
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.dwpose import dwpose_clip
from signllm_jax.poses.frames import Repairs, possible
from signllm_jax.poses.normalize import is_normalized, to_pixels, to_shoulder_widths
from signllm_jax.poses.people import signers
from signllm_jax.poses.pose_body import PoseBody, load_pose

ARM_DEPTH = 0.15
"""Depth factor of the arms as a part of the factor of the hands: MediaPipe's body model makes arms
too deep (the lengths of upper arms and forearms vary least over signers at 0.13 to 0.2)."""
MOST_FPS = 240.0  # frames per second of a camera; a higher rate is a time base (1000 in webm)
LARGEST = 1e6  # a coordinate beyond it is damage
PIXEL_DEPTH = 0.02
"""A hand whose extent in z is more than this part of its extent in pixels has z in pixels: corpora
have 0.1 to 0.7, raw MediaPipe has 0.0001 to 0.003."""

_NOSE, _NECK, _RIGHT, _LEFT = 0, 1, 2, 5  # nose, neck and both shoulders
_WRISTS = {"left_hand": 7, "right_hand": 4}
# the square picture that clips are written into
_SIDE, _PIXELS_A_WIDTH, _NECK_AT = 640, 160.0, np.array([320.0, 240.0, 0.0])


def read_pose_file(
    path: str | Path | Traversable,
    hand_depth: float | None = None,
    arm_depth: float | None = None,
    repairs: Repairs | None = None,
    layout: str = "openpose50",
    budget: Budget = BUDGET,
    fps: float | None = None,
    picture: tuple[int, int] | None = None,
) -> PoseClip:
    """Reads the signer of a `.pose` file; see `poses.people` for files with several people.

    Headers that are read: MediaPipe Holistic with its 33 body points or only shoulders, elbows,
    wrists and hips, with any face or none, OpenPose, and COCO-WholeBody. The neck, where there is
    none, is the middle of the shoulders; the nose, where there is none, lies between eyes and lip
    of the face, and is missing without a face.

    Args:
        path: a file name, a Path or a package resource.
        hand_depth: for MediaPipe, pixels per unit of hand z, which is relative to the hand's own
            wrist. Default: the picture width in the file's header, right for a file that was
            never rescaled; 1 where z is in pixels already (`PIXEL_DEPTH`).
        arm_depth: pixels per unit of body z, which is relative to the neck; default: `hand_depth`
            times `ARM_DEPTH`.
        repairs: counter to which the repairs are added.
        layout: openpose50, or dwpose128 (flat; not for MediaPipe).
        budget: limits of a clip.
        fps: frames per second, instead of the stored ones; needed where the file stores 0, for a
            variable rate, or more than `MOST_FPS`.
        picture: width and height in pixels, for coordinates that are parts of the picture; by
            default the size in the file's header.

    Returns:
        A clip [T, J, 3] in shoulder widths. A missing joint has position 0 and confidence 0. In
        MediaPipe's files the arm's wrist is the hand's wrist where a hand is seen.

    Raises:
        PoseFormatError: the file is damaged, or has another header; it names the file.
    """
    repairs = Repairs() if repairs is None else repairs
    path = Path(path) if isinstance(path, str) else path
    name = PurePath(str(path)).name
    skeleton = get_layout(layout)
    header, joints, seen, fps = _read_signer(path, name, skeleton, repairs, budget, fps, picture)
    if skeleton is DWPOSE128:
        return dwpose_clip(np.concatenate([joints[..., :2], seen[..., None]], -1), fps, source=name)
    if pose_points.family(header, name) == pose_points.HOLISTIC:
        if hand_depth is None:
            hand_depth = 1.0 if _depth_is_pixels(joints, seen) else float(header.dimensions.width)
        joints[:, :8, 2] *= ARM_DEPTH * hand_depth if arm_depth is None else arm_depth
        joints[:, 8:, 2] *= hand_depth
        for hand, wrist in _WRISTS.items():
            _attach_hand(joints, seen, wrist, OPENPOSE50.groups[hand][0])
    positions = to_shoulder_widths(joints, seen, layout, name, axes=2)
    return PoseClip(positions, seen.astype(np.float32), fps)


def read_pose_keypoints(
    path: str | os.PathLike, budget: Budget = BUDGET
) -> tuple[np.ndarray, float]:
    """Reads the signer of a `.pose` file in the coordinates of the picture.

    Args:
        path: path of the file.
        budget: limits of a clip.

    Returns:
        float64 [T, 50, 3], x and y in pixels and confidence, 0 where missing, as
        `openpose.read_openpose_keypoints` returns them; and frames per second.

    Raises:
        PoseFormatError: as `read_pose_file`.
    """
    path = Path(path)
    _, joints, seen, fps = _read_signer(path, path.name, OPENPOSE50, Repairs(), budget)
    keypoints = np.concatenate([joints[..., :2], seen[..., None]], axis=-1)
    return np.where(seen[..., None] > 0, keypoints, 0), fps


def _read_signer(
    path, name: str, layout: Layout, repairs: Repairs, budget: Budget, fps=None, picture=None
):
    """The header, positions [T, J, 3] with z as stored, confidence [T, J] and frame rate."""
    body = load_pose(path, name, budget)
    header = body.header
    fps = _rate(body.fps, fps, name)
    budget.ask(name, fps, frames=len(body.positions))
    rows = pose_points.joint_rows(header, layout, name)
    positions, confidence = _signer(body, name, repairs, budget)
    shoulders = rows[[_RIGHT, _LEFT]]
    if not is_normalized(positions[:, shoulders], confidence[:, shoulders] > 0):
        size = picture or (header.dimensions.width, header.dimensions.height)
        with np.errstate(invalid="ignore"):  # numbers that are not finite are cleared later
            flat = to_pixels(positions[..., :2], confidence > 0, size, name)
            positions = np.concatenate([flat, positions[..., 2:]], axis=-1)
    known = rows >= 0
    joints, seen = _usable(positions[:, rows], np.where(known, confidence[:, rows], 0), repairs)
    if not known[_NECK]:
        joints[:, _NECK] = (joints[:, _RIGHT] + joints[:, _LEFT]) / 2
        seen[:, _NECK] = np.minimum(seen[:, _RIGHT], seen[:, _LEFT])
    if not known[_NOSE]:
        _put_nose(joints, seen, header, positions, confidence, repairs)
    return header, joints, seen, fps


def _usable(positions: np.ndarray, confidence: np.ndarray, repairs: Repairs):
    """Makes points with impossible numbers missing; positions float64, confidence 0..1."""
    finite = np.isfinite(confidence)[..., None]
    usable = possible(np.where(finite, positions, np.nan), LARGEST, repairs)
    seen = np.clip(np.where(usable, confidence, 0), 0, 1).astype(np.float64)
    return np.where(usable[..., None], positions, 0).astype(np.float64), seen


def _put_nose(joints, seen, header, positions, confidence, repairs) -> None:
    """Makes the nose from points of the face, where the header has them."""
    row_of = pose_headers.point_rows(header)
    rows = [row_of.get((pose_headers.FACE, point), -1) for point in pose_headers.NOSE_FROM]
    if min(rows) < 0:
        return
    points, shown = _usable(positions[:, rows], confidence[:, rows], repairs)
    eyes = points[:, :2].mean(axis=1)
    joints[:, _NOSE] = eyes + pose_headers.NOSE_AT * (points[:, 2] - eyes)
    joints[:, _NOSE, 2] = joints[:, _NECK, 2]  # the face's depth has another origin than the body's
    seen[:, _NOSE] = shown.min(axis=1)


def _depth_is_pixels(clip: np.ndarray, seen: np.ndarray) -> bool:
    """Whether z is in pixels like x and y, not in picture widths."""
    ratios = []
    for joints in map(list, (OPENPOSE50.groups["left_hand"], OPENPOSE50.groups["right_hand"])):
        hand = clip[(seen[:, joints] > 0).all(axis=1)][:, joints]
        ratios += _depth_ratios(hand, axes=2)
    if not ratios:  # no hand: the body's depth is about its shoulders' width, in either unit
        both = (seen[:, _RIGHT] > 0) & (seen[:, _LEFT] > 0)
        ratios = [ratio / 5 for ratio in _depth_ratios(clip[both][:, [2, 3, 5, 6]], axes=1)]
    return bool(ratios) and float(np.median(ratios)) > PIXEL_DEPTH


def _depth_ratios(points: np.ndarray, axes: int) -> list[float]:
    """The extent in z over that in the first axes, for each frame of points [T, P, 3]."""
    across, depth = np.ptp(points[..., :axes], axis=1).max(-1), np.ptp(points[..., 2], axis=1)
    return list(depth[across > 0] / across[across > 0])


def _attach_hand(clip: np.ndarray, seen: np.ndarray, wrist: int, start: int) -> None:
    """Attaches a hand [T, 21, 3] to its arm: x, y from the hand, depth from the arm's wrist."""
    hand = slice(start, start + 21)
    shown, known = seen[:, start] > 0, seen[:, wrist] > 0
    time = np.arange(len(clip))
    depth = np.median(clip[:, _NECK, 2])  # a hand may be seen where its arm is not
    if known.any():
        depth = np.interp(time, time[known], clip[known, wrist, 2])
    clip[:, hand, 2] += (depth - clip[:, start, 2])[:, None]
    clip[shown, wrist] = clip[shown, start]
    seen[shown, wrist] = np.maximum(seen[shown, wrist], seen[shown, start])


def _rate(stored: float, given: float | None, name: str) -> float:
    if given:
        return given
    if not np.isfinite(stored) or stored < 0:
        raise PoseFormatError(f"{name}: {stored:g} frames per second")
    if stored == 0:
        raise PoseFormatError(f"{name}: 0 frames per second mean a variable rate: give --fps")
    if stored > MOST_FPS:
        raise PoseFormatError(
            f"{name}: {stored:g} frames per second are the time base of a video, not its rate: "
            "give --fps"
        )
    return stored


def _signer(body: PoseBody, name: str, repairs: Repairs, budget: Budget):
    """Positions [T, P, 3] and confidence [T, P] of the signer's P points."""
    positions, confidence = body.positions, body.confidence
    if positions.shape[1] == 1:
        return positions[:, 0], confidence[:, 0]
    rows = pose_points.joint_rows(body.header, OPENPOSE50, name)
    budget.ask(name, bytes=positions.shape[0] * positions.shape[1] * len(rows) * 12)
    keypoints = np.concatenate([positions[:, :, rows, :2], confidence[:, :, rows, None]], axis=-1)
    keypoints[:, :, rows < 0] = 0
    keypoints = np.where(np.isfinite(keypoints).all(-1, keepdims=True), keypoints, 0)
    shown = np.any(keypoints[..., 2] > 0, axis=-1)  # [T, people]
    frames = [people[seen] for people, seen in zip(keypoints, shown)]
    chosen = signers(frames, OPENPOSE50, repairs)
    time = np.arange(len(chosen))
    # from the index among the people who are seen to the index in the file
    person = np.argsort(~shown, axis=1, kind="stable")[time, np.maximum(chosen, 0)]
    return positions[time, person], np.where((chosen >= 0)[:, None], confidence[time, person], 0)


def write_pose_file(path: str | os.PathLike, clip: PoseClip, header: str = "openpose") -> None:
    """Writes a clip as a `.pose` file of one person, in a square picture of 640 pixels.

    OpenPose's header keeps every joint; its third axis is in pixels from the neck, the unit of x
    and y, and flat clips (dwpose128) have none. With MediaPipe's headers files are like MediaPipe's
    own, which `read_pose_file` undoes: no neck, one wrist, z in picture widths and arms too deep.

    Args:
        path: path of the file.
        clip: an openpose50 clip, or a dwpose128 clip for OpenPose's header.
        header: a name in `pose_headers.HEADERS`. The face of a header is missing in all frames
            where the clip has no face.

    Raises:
        OutputError: an unknown header, one that the layout does not fit, or a file that cannot be
            written.
    """
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

    flat = clip.layout == DWPOSE128.name
    components = pose_headers.make_components(header, depth=not flat)
    if flat and header != "openpose":
        raise OutputError(f"{path}: a {clip.layout} clip needs the header openpose, not {header}")
    head = PoseHeader(0.2, PoseHeaderDimensions(_SIDE, _SIDE), components)
    pixels = clip.positions.astype(np.float64) * _PIXELS_A_WIDTH
    if header != "openpose":
        pixels[:, :8, 2] /= ARM_DEPTH * _SIDE
        for hand in _WRISTS:
            joints = list(OPENPOSE50.groups[hand])
            pixels[:, joints, 2] = (pixels[:, joints, 2] - pixels[:, joints[:1], 2]) / _SIDE
    pixels += _NECK_AT
    row_of = pose_headers.point_rows(head)
    points = pose_headers.written_points(header)
    pairs = [(row_of[points[j]], i) for i, j in enumerate(clip.skeleton.joints) if j in points]
    rows, joints = map(list, zip(*pairs))
    data = np.zeros((len(clip), 1, head.total_points(), 2 if flat else 3), np.float32)
    confidence = np.zeros(data.shape[:3], np.float32)
    seen = clip.observed[:, joints]
    data[:, 0, rows] = np.where(seen[..., None], pixels[:, joints, : data.shape[-1]], 0)
    confidence[:, 0, rows] = np.where(seen, clip.confidence[:, joints], 0)
    content = io.BytesIO()
    Pose(head, NumPyPoseBody(clip.fps, data, confidence)).write(content)
    write_whole(path, content.getvalue())
