"""Layouts of the skeleton: joints, bones, groups and mirror of openpose50 and dwpose128."""

import dataclasses
import itertools
from collections.abc import Iterable

from signllm_jax.core.errors import ConfigError

HAND_BONES = tuple(
    (0 if joint % 4 == 1 else joint - 1, joint) for joint in range(1, 21)
)  # five chains of four joints from the wrist


@dataclasses.dataclass(frozen=True)
class Layout:
    """A fixed order of joints.

    Attributes:
        name: `openpose50` or `dwpose128`.
        joints: the J joint names.
        bones: (parent, child) index pairs.
        groups: group name -> joint indices (`body`, `left_hand`, `right_hand`, `face`).
        parent: the J joints that each joint's coordinates are taken relative to in the model's
            frames (hand joints to their wrist, the face to the nose, body to the neck, the neck to
            the origin: itself).
        mirror: the J indices of each joint's counterpart on the other side.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    groups: dict[str, tuple[int, ...]]
    parent: tuple[int, ...]
    mirror: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of joints J."""
        return len(self.joints)

    @property
    def frame_size(self) -> int:
        """D = 3J + 1: the numbers of a frame, its counter last."""
        return 3 * self.size + 1

    def index(self, joint: str) -> int:
        """The index of a joint by its name."""
        return self.joints.index(joint)


def _sided(side: str, parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for part in parts)


def _hand_names(side: str) -> tuple[str, ...]:
    fingers = itertools.product(("thumb", "index", "middle", "ring", "little"), range(1, 5))
    return _sided(side, ("hand_wrist", *(f"{finger}_{number}" for finger, number in fingers)))


def _shifted(bones, offset):
    return tuple((a + offset, b + offset) for a, b in bones)


def _mirror(joints: tuple[str, ...]) -> tuple[int, ...]:
    opposite = {"left": "right", "right": "left"}

    def mirrored(name):
        side, _, part = name.partition("_")
        return f"{opposite[side]}_{part}" if side in opposite else name

    return tuple(joints.index(mirrored(name)) for name in joints)


def _layout(name: str, body: tuple[str, ...], bones=(), face=(), face_bones=()) -> Layout:
    """The layout of a body with both hands behind it, and the face behind them.

    Args:
        name: Name of the layout.
        body: Joint names of the body, which begin as `_UPPER_BODY` does.
        bones: Index pairs of the body's bones besides those of `_UPPER_BODY`.
        face: Names of the face points.
        face_bones: Index pairs among the face points.
    """
    joints = body + _hand_names("left") + _hand_names("right") + face
    left, right, end = len(body), len(body) + 21, len(body) + 42
    arms = ((1, 0), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (7, left), (4, right))
    hands = _shifted(HAND_BONES, left) + _shifted(HAND_BONES, right)
    groups = {"body": range(left), "left_hand": range(left, right), "right_hand": range(right, end)}
    if face:
        groups["face"] = range(end, len(joints))
    return Layout(
        name=name,
        joints=joints,
        bones=arms + bones + hands + _shifted(face_bones, end),
        groups={group: tuple(indices) for group, indices in groups.items()},
        parent=(1,) * left + (7,) * 21 + (4,) * 21 + (0,) * len(face),
        mirror=_mirror(joints),
    )


# pairs of a point on the face's right side and its counterpart; the others lie in the middle
_FACE_PAIRS = (
    tuple((point, 16 - point) for point in range(8))  # jaw
    + tuple((point, 43 - point) for point in range(17, 22))  # brows
    + ((31, 35), (32, 34))  # nostrils
    + ((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46))  # eyes
    + ((48, 54), (49, 53), (50, 52), (58, 56), (59, 55))  # outer lips
    + ((60, 64), (61, 63), (67, 65))  # inner lips
)
# first and last point of each line of the face: jaw, brows, nose; then eyes and lips, as rings
_FACE_CURVES = ((0, 16), (17, 21), (22, 26), (27, 30), (31, 35))
_FACE_RINGS = ((36, 41), (42, 47), (48, 59), (60, 67))


def _face_names() -> tuple[str, ...]:
    names = {}
    for right, left in _FACE_PAIRS:
        names[right], names[left] = f"right_face_{right}", f"left_face_{right}"
    return tuple(names.get(point, f"face_{point}") for point in range(68))


def _face_bones() -> tuple[tuple[int, int], ...]:
    bones = []
    for first, last in _FACE_CURVES + _FACE_RINGS:
        bones += itertools.pairwise(range(first, last + 1))
        bones += [(last, first)] if (first, last) in _FACE_RINGS else []
    return tuple(bones)


_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_UPPER_BODY = ("nose", "neck", *_sided("right", _ARM), *_sided("left", _ARM))
_EYES_AND_EARS = ("right_eye", "left_eye", "right_ear", "left_ear")
OPENPOSE50 = _layout("openpose50", _UPPER_BODY)
DWPOSE128 = _layout(
    "dwpose128",
    (*_UPPER_BODY, *_sided("right", _LEG), *_sided("left", _LEG), *_EYES_AND_EARS),
    # the legs from the neck, then the eyes and ears from the nose
    ((1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (0, 14), (14, 16), (0, 15), (15, 17)),
    _face_names(),
    _face_bones(),
)
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (OPENPOSE50, DWPOSE128)}
# where each joint of openpose50 stands in dwpose128
DWPOSE_TO_OPENPOSE50: tuple[int, ...] = tuple(
    DWPOSE128.joints.index(joint) for joint in OPENPOSE50.joints
)


def get_layout(name: str) -> Layout:
    """Returns the layout `name`; raises ConfigError naming the known ones."""
    if name not in LAYOUTS:
        raise ConfigError(f"unknown layout {name!r}: known are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]
