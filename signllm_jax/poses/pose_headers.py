"""The headers of `.pose` files that are written: MediaPipe Holistic's and OpenPose's.

MediaPipe Holistic comes whole (33 body points, often a face of 468 or 478, 21 points per hand) or
reduced to 8 body points with a face of 128 (178 points) or without one (50). OpenPose's components
are those of pose-format: BODY_25, a face of 70, 21 points per hand.
"""

from typing import TYPE_CHECKING

from signllm_jax.core.errors import OutputError
from signllm_jax.core.skeleton import DWPOSE128

if TYPE_CHECKING:
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent

HEADERS = ("holistic", "holistic_face", "holistic178", "openpose")
"""Headers that can be written, of 75, 543, 178 and 137 points."""

BODY, FACE = "POSE_LANDMARKS", "FACE_LANDMARKS"
HANDS = {"left": "LEFT_HAND_LANDMARKS", "right": "RIGHT_HAND_LANDMARKS"}
OPENPOSE_BODY, _OPENPOSE_FACE = "pose_keypoints_2d", "face_keypoints_2d"
_OPENPOSE_HANDS = {side: f"hand_{side}_keypoints_2d" for side in HANDS}

NOSE_FROM = ("133", "362", "0")
"""Face points between which the nose lies: the eyes' inner corners and the upper lip's middle."""
NOSE_AT = 0.55
"""Part of the way from the eyes to the lip where the nose lies. Least squares over 80 clips of
`spoken-to-signed` that have both; the error is 8% of that distance, about 0.01 shoulder widths."""


def _both(*parts: str) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for part in parts for side in ("LEFT", "RIGHT"))


REDUCED_POINTS = _both("SHOULDER", "ELBOW", "WRIST", "HIP")
BODY_POINTS = (
    "NOSE",
    *(f"LEFT_{part}" for part in ("EYE_INNER", "EYE", "EYE_OUTER")),
    *(f"RIGHT_{part}" for part in ("EYE_INNER", "EYE", "EYE_OUTER")),
    *_both("EAR"),
    "MOUTH_LEFT",
    "MOUTH_RIGHT",
    *_both("SHOULDER", "ELBOW", "WRIST", "PINKY", "INDEX", "THUMB"),
    *_both("HIP", "KNEE", "ANKLE", "HEEL", "FOOT_INDEX"),
)
_FINGERS = ("THUMB", "INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
_THUMB_PARTS = ("CMC", "MCP", "IP", "TIP")
_FINGER_PARTS = ("MCP", "PIP", "DIP", "TIP")
HAND_POINTS = ("WRIST",) + tuple(
    f"{finger}_{part}"
    for finger in _FINGERS
    for part in (_THUMB_PARTS if finger == "THUMB" else _FINGER_PARTS)
)
# the lines that MediaPipe draws between its points
_BODY_LIMBS = """
0-1 1-2 2-3 3-7 0-4 4-5 5-6 6-8 9-10 11-12 11-13 13-15 15-17 15-19 15-21 17-19 12-14 14-16 16-18
16-20 16-22 18-20 11-23 12-24 23-24 23-25 25-27 27-29 29-31 27-31 24-26 26-28 28-30 30-32 28-32
"""
_HAND_LIMBS = """
0-1 1-2 2-3 3-4 0-5 5-6 6-7 7-8 5-9 9-10 10-11 11-12 9-13 13-14 14-15 15-16 13-17 0-17 17-18 18-19
19-20
"""
# the points on MediaPipe's contours of face, eyes, brows and lips
_FACE_CONTOURS = """
0 7 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103
105 107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 172
173 176 178 181 185 191 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297
300 308 310 311 312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379
380 381 382 384 385 386 387 388 389 390 397 398 400 402 405 409 415 454 466
"""


def _pairs(limbs: str) -> list[tuple[int, int]]:
    return [(int(start), int(end)) for start, end in (limb.split("-") for limb in limbs.split())]


def holistic_points() -> dict[str, tuple[str, str]]:
    """Joint of openpose50 -> (component, point) of MediaPipe Holistic; it has no neck."""
    points = {"nose": (BODY, "NOSE")}
    for side in HANDS:
        for part in ("shoulder", "elbow", "wrist"):
            points[f"{side}_{part}"] = BODY, f"{side}_{part}".upper()
    return points | _hand_points(HANDS, HAND_POINTS)


def openpose_points() -> dict[str, tuple[str, str]]:
    """Joint of dwpose128 (and so of openpose50) -> (component, point) of pose-format's OpenPose."""
    from pose_format.utils.openpose import FACE_POINTS
    from pose_format.utils.openpose import HAND_POINTS as HAND

    points = {}
    for joint in DWPOSE128.groups["body"]:
        side, _, part = DWPOSE128.joints[joint].rpartition("_")
        points[DWPOSE128.joints[joint]] = OPENPOSE_BODY, side[:1].upper() + part.capitalize()
    # pose-format orders the face's points by region; their names carry OpenPose's number
    by_number = {int(point.partition("_")[2]): point for point in FACE_POINTS}
    for number, joint in enumerate(DWPOSE128.groups["face"]):
        points[DWPOSE128.joints[joint]] = _OPENPOSE_FACE, by_number[number]
    return points | _hand_points(_OPENPOSE_HANDS, HAND)


def _hand_points(components, names) -> dict[str, tuple[str, str]]:
    return {
        DWPOSE128.joints[joint]: (component, name)
        for side, component in components.items()
        for joint, name in zip(DWPOSE128.groups[f"{side}_hand"], names)
    }


def point_rows(header: "PoseHeader") -> dict[tuple[str, str], int]:
    """(component, point) -> its row among a frame's points."""
    points = [(part.name, point) for part in header.components for point in part.points]
    rows: dict[tuple[str, str], int] = {}
    for row, point in enumerate(points):
        rows.setdefault(point, row)
    return rows


def written_points(name: str) -> dict[str, tuple[str, str]]:
    """Joint -> (component, point) of a header in `HEADERS`, for the joints that it has."""
    points = openpose_points() if name == "openpose" else holistic_points()
    if name == "holistic178":
        del points["nose"]
    return points


def make_components(name: str, depth: bool = True) -> "list[PoseHeaderComponent]":
    """The components of a header in `HEADERS`, with or without a third axis.

    Raises OutputError for another name.
    """
    from pose_format.pose_header import PoseHeaderComponent
    from pose_format.utils.openpose import OpenPose_Components, hand_colors

    if name not in HEADERS:
        raise OutputError(f"unknown header {name!r}: known are {', '.join(HEADERS)}")
    axes = "XYZC" if depth else "XYC"
    if name == "openpose":
        return [
            PoseHeaderComponent(part.name, part.points, part.limbs, part.colors, axes)
            for part in OpenPose_Components
        ]
    body = REDUCED_POINTS if name == "holistic178" else BODY_POINTS
    limbs = [(BODY_POINTS[a], BODY_POINTS[b]) for a, b in _pairs(_BODY_LIMBS)]
    limbs = [(body.index(a), body.index(b)) for a, b in limbs if a in body and b in body]
    parts = [(BODY, list(body), limbs, [(255, 0, 0)])]
    if name != "holistic":
        face = _FACE_CONTOURS.split() if name == "holistic178" else map(str, range(468))
        parts.append((FACE, list(face), [], [(128, 0, 0)]))
    colors = [(red, green, blue) for red, green, blue in hand_colors]
    limbs = _pairs(_HAND_LIMBS)
    parts += [(component, list(HAND_POINTS), limbs, colors) for component in HANDS.values()]
    return [PoseHeaderComponent(*part, axes) for part in parts]
