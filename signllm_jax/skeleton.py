"""Layouts of the skeleton: joints, bones, groups and mirror of openpose50 and dwpose128."""

import dataclasses

from signllm_jax.errors import ConfigError

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
            frames (hand joints to their wrist, body to the neck, the neck to the origin: itself).
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


OPENPOSE50 = _openpose50()
LAYOUTS: dict[str, Layout] = {OPENPOSE50.name: OPENPOSE50}


def get_layout(name: str) -> Layout:
    """Returns the layout `name`; raises ConfigError naming the known ones."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise ConfigError(f"unknown layout {name!r}: known are {', '.join(LAYOUTS)}") from None
