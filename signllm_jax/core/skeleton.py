"""Layouts of the skeleton: joints, bones, groups and mirror of openpose50 and dwpose128."""

import dataclasses

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


def _hand_names(side: str) -> tuple[str, ...]:
    fingers = ("thumb", "index", "middle", "ring", "little")
    return (f"{side}_hand_wrist",) + tuple(
        f"{side}_{finger}_{number}" for finger in fingers for number in range(1, 5)
    )


def _shifted(bones, offset):
    return tuple((a + offset, b + offset) for a, b in bones)


def _mirror(joints: tuple[str, ...]) -> tuple[int, ...]:
    def other(name):
        if name.startswith("left_"):
            return "right_" + name[5:]
        return "left_" + name[6:] if name.startswith("right_") else name

    return tuple(joints.index(other(name)) for name in joints)


def _openpose50() -> Layout:
    body = (
        "nose",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
    )
    joints = body + _hand_names("left") + _hand_names("right")
    left, right = 8, 29
    bones = ((1, 0), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (7, left), (4, right))
    return Layout(
        name="openpose50",
        joints=joints,
        bones=bones + _shifted(HAND_BONES, left) + _shifted(HAND_BONES, right),
        groups={
            "body": tuple(range(8)),
            "left_hand": tuple(range(left, right)),
            "right_hand": tuple(range(right, right + 21)),
        },
        parent=(1,) * 8 + (7,) * 21 + (4,) * 21,
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
# (first, last, closed) of each line that the 68 face points draw
_FACE_LINES = (
    (0, 16, False),
    (17, 21, False),
    (22, 26, False),
    (27, 30, False),
    (31, 35, False),
    (36, 41, True),
    (42, 47, True),
    (48, 59, True),
    (60, 67, True),
)


def _face_names() -> tuple[str, ...]:
    names = {}
    for right, left in _FACE_PAIRS:
        names[right], names[left] = f"right_face_{right}", f"left_face_{right}"
    return tuple(names.get(point, f"face_{point}") for point in range(68))


def _face_bones() -> tuple[tuple[int, int], ...]:
    bones = []
    for first, last, closed in _FACE_LINES:
        bones += [(point, point + 1) for point in range(first, last)]
        bones += [(last, first)] if closed else []
    return tuple(bones)


def _dwpose128() -> Layout:
    body = (
        "nose",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
    )
    joints = body + _hand_names("left") + _hand_names("right") + _face_names()
    left, right, face = 18, 39, 60
    arms = ((1, 0), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (7, left), (4, right))
    legs = ((1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13))
    head = ((0, 14), (14, 16), (0, 15), (15, 17))
    return Layout(
        name="dwpose128",
        joints=joints,
        bones=arms
        + legs
        + head
        + _shifted(HAND_BONES, left)
        + _shifted(HAND_BONES, right)
        + _shifted(_face_bones(), face),
        groups={
            "body": tuple(range(18)),
            "left_hand": tuple(range(left, right)),
            "right_hand": tuple(range(right, face)),
            "face": tuple(range(face, face + 68)),
        },
        parent=(1,) * 18 + (7,) * 21 + (4,) * 21 + (0,) * 68,
        mirror=_mirror(joints),
    )


OPENPOSE50 = _openpose50()
DWPOSE128 = _dwpose128()
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (OPENPOSE50, DWPOSE128)}
# where each joint of openpose50 stands in dwpose128
DWPOSE_TO_OPENPOSE50: tuple[int, ...] = tuple(
    DWPOSE128.joints.index(joint) for joint in OPENPOSE50.joints
)


def get_layout(name: str) -> Layout:
    """Returns the layout `name`; raises ConfigError naming the known ones."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise ConfigError(f"unknown layout {name!r}: known are {', '.join(LAYOUTS)}") from None
