"""Finds the joints among the named points of a `.pose` file, for every header that is read.

These are MediaPipe Holistic, whole or reduced; OpenPose's BODY_25 or COCO body with its face and
hands; OpenPose's single list BODY_135; and the 133 or 136 points of COCO-WholeBody that AlphaPose,
MMPose and RTMPose give.
"""

import re
from typing import TYPE_CHECKING

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, Layout
from signllm_jax.poses.pose_headers import (
    BODY,
    OPENPOSE_BODY,
    holistic_points,
    openpose_points,
    point_rows,
)

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeader

HOLISTIC, OPENPOSE = "MediaPipe Holistic", "OpenPose"
BODY_135, WHOLEBODY = "OpenPose's BODY_135", "COCO-WholeBody"
_WHOLE = re.compile(r"^BODY(_133|_136)?$")
_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_PARTS = ("1Knuckles", "2PIP", "3DIP", "4FingerTip")
_THUMB_PARTS = ("1CMC", "2Knuckles", "3IP", "4FingerTip")
# BODY_135 names the face's points by region
_FACE_REGIONS = (
    *(f"FaceContour{number}" for number in range(17)),
    *(f"REyeBrow{number}" for number in range(5)),
    *(f"LEyeBrow{number}" for number in range(4, -1, -1)),
    *(f"NoseUpper{number}" for number in range(4)),
    *(f"NoseLower{number}" for number in range(5)),
    *(f"REye{number}" for number in range(6)),
    *(f"LEye{number}" for number in range(6)),
    *(f"OMouth{number}" for number in range(12)),
    *(f"IMouth{number}" for number in range(8)),
)


def family(header: "PoseHeader", source: str) -> str:
    """The family of a header's points; raises PoseFormatError, naming `source`, if unknown."""
    names = [component.name for component in header.components]
    for name, component in ((HOLISTIC, BODY), (OPENPOSE, OPENPOSE_BODY), (BODY_135, "BODY_135")):
        if component in names:
            return name
    if any(_WHOLE.match(name) for name in names):
        return WHOLEBODY
    listed = ", ".join(names[:4]) or "none"
    raise PoseFormatError(
        f"{source}: neither MediaPipe Holistic nor OpenPose nor COCO-WholeBody: its components are "
        f"{listed:.200}"
    )


def joint_rows(header: "PoseHeader", layout: Layout, source: str) -> np.ndarray:
    """The rows of a layout's joints among a frame's points.

    Args:
        header: header of a `.pose` file, of any family.
        layout: openpose50, or dwpose128 for any header but MediaPipe's.
        source: name of the file, for error messages.

    Returns:
        int [J], -1 where the header has no such point.

    Raises:
        PoseFormatError: an unknown header, one without arms or hands, or one of MediaPipe for
            dwpose128.
    """
    kind = family(header, source)
    if kind == HOLISTIC and layout.name == DWPOSE128.name:
        raise PoseFormatError(f"{source}: MediaPipe Holistic has no {layout.name} face")
    makers = {HOLISTIC: holistic_points, OPENPOSE: openpose_points, BODY_135: _body_135_points}
    points = _wholebody_points(header) if kind == WHOLEBODY else makers[kind]()
    row_of = point_rows(header)
    rows = np.array([row_of.get(points[j], -1) if j in points else -1 for j in layout.joints])
    needed = [joint for joint in holistic_points() if joint != "nose"]  # arms and hands
    missing = [points[joint] for joint in needed if rows[layout.index(joint)] < 0]
    if missing:
        raise PoseFormatError(
            f"{source}: not the whole of {kind}: {len(missing)} points are missing, "
            f"the first is {'.'.join(missing[0])}"
        )
    return rows


def _group(name: str) -> list[str]:
    return [DWPOSE128.joints[joint] for joint in DWPOSE128.groups[name]]


def _wholebody_points(header: "PoseHeader") -> dict[str, tuple[str, str]]:
    """Joint of dwpose128 -> (component, point) of COCO-WholeBody; 133 points have no neck."""
    given = {component.name: component.points for component in header.components}
    end = next(match.group(1) or "" for match in map(_WHOLE.match, given) if match)
    points = {joint: (f"BODY{end}", joint) for joint in _group("body")}
    for part in ("face", "left_hand", "right_hand"):
        component = f"{part.upper()}{end}"
        names = given.get(component, [])
        # the names differ between tools ("face-0", "face_0", "hand_0"), the order does not
        for number, joint in enumerate(_group(part)):
            points[joint] = component, names[number] if number < len(names) else f"{part}_{number}"
    return points


def _body_135_points() -> dict[str, tuple[str, str]]:
    """Joint of dwpose128 -> (component, point) of BODY_135; a hand begins at the arm's wrist."""
    points = {
        joint: point
        for joint, (component, point) in openpose_points().items()
        if component == OPENPOSE_BODY and joint != "neck"
    }
    for side in ("left", "right"):
        letter = side[0].upper()
        names = [f"{letter}Wrist"] + [
            f"{letter}{finger}{part}"
            for finger in _FINGERS
            for part in (_THUMB_PARTS if finger == "Thumb" else _PARTS)
        ]
        points |= dict(zip(_group(f"{side}_hand"), names))
    points |= dict(zip(_group("face"), _FACE_REGIONS))
    return {joint: ("BODY_135", point) for joint, point in points.items()}
