"""The joints of a clip for animation programs: rotating bones of constant length.

The joints have the names that programs map between skeletons (Hips, Spine, Neck, Head, LeftArm,
LeftForeArm, LeftHand, LeftHandIndex1 ...). At rest the signer stands on the floor in a T-pose,
palms down, facing z, y up, and no joint is rotated. A bone has its median length over the clip and
a palm keeps its shape. Hands have their positions in the clip, and the elbow moves where an arm's
length varies. Short gaps are interpolated; an arm that is not shown for longer hangs down. Clips
have no hips and legs: these stand still.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.turning import about, frame, swing, twist

SHOULDER = 0.37
"""Distance between the shoulder joints of an adult in meters."""
LEG, WAIST, SPINE = 2.35, 0.3, 1.15
"""Heights from the floor to the hips, to the waist, and to the neck, in shoulder widths."""
SIDES = {"right": -1.0, "left": 1.0}
"""Sign of x along each arm of the T-pose."""
FINGERS = {
    "thumb": "Thumb",
    "index": "Index",
    "middle": "Middle",
    "ring": "Ring",
    "little": "Pinky",
}
"""Names of the fingers in the clip's layout -> in animation programs."""
_THIGH, _FOOT = 1.15, 0.15  # shoulder widths
_UP = np.array([0.0, 1, 0])
_ARM = ("shoulder", "elbow", "wrist")
_HAND = [f"{finger}_{number}" for finger in FINGERS for number in range(1, 5)]
_LOWERED = 0.3  # seconds in which an arm that is no longer shown is lowered
# position of an arm that is not shown, relative to the shoulder in shoulder widths; x is outward
_HANGING = {"elbow": (0.12, -0.85, 0.0), "wrist": (0.16, -1.6, 0.12)}
_KNUCKLES = {"thumb": 0.12, "index": 0.08, "middle": 0.03, "ring": -0.03, "little": -0.08}
_FINGER_PARTS = (0.13, 0.08, 0.06)


class Joint:
    """A joint of the rig.

    Attributes:
        name: Name of the joint.
        parent: Parent joint; None for the root.
        offset: Position [3] relative to the parent at rest.
        turns: Rotations [T, 3, 3] from the T-pose.
        end: End of the bone [3] relative to the joint at rest.
        children: Child joints.
    """

    def __init__(self, name: str, parent: "Joint | None", offset, turns: np.ndarray, end):
        self.name, self.parent, self.turns = name, parent, turns
        self.offset, self.end = np.asarray(offset, float), np.asarray(end, float)
        self.children: list[Joint] = []
        if parent is not None:
            parent.children.append(self)

    def walk(self) -> Iterator["Joint"]:
        """This joint and all its descendants, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def local(self) -> np.ndarray:
        """Rotations [T, 3, 3] relative to the parent."""
        return self.turns if self.parent is None else self.parent.turns.mT @ self.turns

    def rest(self) -> np.ndarray:
        """Position [3] in the T-pose."""
        return self.offset if self.parent is None else self.parent.rest() + self.offset


def make_rig(clip: PoseClip, unit: float) -> tuple[Joint, np.ndarray]:
    """The root of the joints of a clip with a shoulder width of `unit`, and its positions [T, 3].

    Raises:
        OutputError: the layout is flat.
    """
    if clip.layout != OPENPOSE50.name:
        raise OutputError(f"a {clip.layout} clip has no depth")
    at, shown = _complete(clip)
    at = (at + (LEG + WAIST + SPINE) * _UP) * unit
    bones = _Bones(at, shown)
    hips, spine, places = _trunk(bones, unit)
    _head(bones, spine, unit)
    for side in SIDES:
        _arm(bones, spine, side)
    return hips, places


def _complete(clip: PoseClip) -> tuple[np.ndarray, np.ndarray]:
    """Positions [T, 50, 3] of all joints, y up, and which of them are shown [T, 50]."""
    at, shown = clip.positions.astype(np.float64) * (1, -1, -1), clip.observed.copy()
    index, frames = OPENPOSE50.index, _LOWERED * clip.fps
    for side in SIDES:  # the hand's wrist is more exact than that of the body
        body, hand = index(f"{side}_wrist"), index(f"{side}_hand_wrist")
        at[:, body] = np.where(shown[:, hand, None], at[:, hand], at[:, body])
        shown[:, body] |= shown[:, hand]
    _bridge(at, shown)

    def blend(name, known, otherwise):
        """Mixes a joint's position in the clip, of weight `known` [T], with another one [T, 3]."""
        row = index(name)
        known = (known * shown[:, row].any())[:, None]
        at[:, row] = known * at[:, row] + (1 - known) * otherwise

    always = np.ones(len(clip))
    blend("neck", always, np.zeros(3))
    blend("nose", always, at[:, index("neck")] + (0, 0.6, 0.3))
    for side, out in SIDES.items():
        joints = (f"{side}_{name}" for name in ("shoulder", "wrist", "hand_wrist"))
        shoulder, wrist, hand = map(index, joints)
        blend(f"{side}_shoulder", always, at[:, index("neck")] + (0.5 * out, 0, 0))
        raised = _near(shown[:, wrist], frames)
        for name, down in _HANGING.items():
            blend(f"{side}_{name}", raised, at[:, shoulder] + np.multiply(down, (out, 1, 1)))
        straight = _hand_along(at[:, wrist] - at[:, index(f"{side}_elbow")])
        signing, root = _near(shown[:, hand], frames), at[:, hand].copy()
        for number, name in enumerate(("hand_wrist", *_HAND)):
            at[:, index(f"{side}_{name}")] += at[:, wrist] - root
            blend(f"{side}_{name}", signing, at[:, wrist] + straight[:, number])
    return at, shown


def _bridge(at: np.ndarray, shown: np.ndarray) -> None:
    """Interpolates joints that are not shown for a while between the frames that show them."""
    moments = np.arange(len(at))
    for joint in np.flatnonzero(shown.any(0) & ~shown.all(0)):
        seen = np.flatnonzero(shown[:, joint])
        for axis in range(3):
            at[:, joint, axis] = np.interp(moments, seen, at[seen, joint, axis])


def _near(shown: np.ndarray, frames: float) -> np.ndarray:
    """1 in frames [T] that are shown, falling smoothly to 0 within `frames` frames from them."""
    if not shown.any():
        return np.zeros(len(shown))
    away = np.abs(np.arange(len(shown))[:, None] - np.flatnonzero(shown)).min(axis=1)
    near = 1 - np.minimum(away / frames, 1)
    return near * near * (3 - 2 * near)


def _hand_along(forearm: np.ndarray) -> np.ndarray:
    """A straight hand [T, 21, 3] from the wrist, in the direction of a forearm [T, 3]."""
    ahead = swing(np.broadcast_to(-_UP, forearm.shape), forearm)
    points = [(0.0, 0.0, 0.0)]
    for finger, forward in _KNUCKLES.items():
        down = 0.12 if finger == "thumb" else 0.27
        for part in (0, *_FINGER_PARTS):
            down += part
            points.append((0.0, -down, forward * (1 + down if finger == "thumb" else 1)))
    return np.einsum("tij,pj->tpi", ahead, np.array(points))


class _Bones:
    """Makes joints from positions [T, 50, 3], of which some are shown [T, 50]."""

    def __init__(self, at: np.ndarray, shown: np.ndarray):
        self.at, self.shown = at, shown

    def place(self, name: str) -> np.ndarray:
        """Positions [T, 3] of a joint of the clip."""
        return self.at[:, OPENPOSE50.index(name)]

    def seen(self, *names: str) -> np.ndarray:
        """bool [T]: the frames that show all of these joints, or all frames if none does."""
        all_shown = np.all(self.shown[:, [OPENPOSE50.index(name) for name in names]], -1)
        return all_shown if all_shown.any() else ~all_shown

    def joint(self, name, parent, offset, start, end, rest) -> Joint:
        """A joint whose bone reaches from `start` to `end`, by the smallest rotation."""
        along = self.place(end) - self.place(start)
        lengths = np.linalg.norm(along, axis=-1)
        rest = np.array(rest) / np.linalg.norm(rest)
        ahead = parent.turns @ rest
        turns = swing(ahead, np.where(lengths[:, None] > 1e-6, along, ahead)) @ parent.turns
        return Joint(name, parent, offset, turns, rest * np.median(lengths[self.seen(start, end)]))


def _trunk(bones: _Bones, unit: float) -> tuple[Joint, Joint, np.ndarray]:
    """Hips, spine and positions of the hips [T, 3], which only move as far as the neck requires."""
    neck = bones.place("neck")
    across = bones.place("left_shoulder") - bones.place("right_shoulder")
    level = np.median(across, axis=0) * (1, 0, 1)
    still = np.repeat(frame(level[None], _UP[None]), len(neck), axis=0)
    up = neck - (np.median(neck, axis=0) - SPINE * unit * _UP)
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    turns = frame(across - (across * up).sum(-1, keepdims=True) * up, up)
    waist, spine = WAIST * unit * _UP, SPINE * unit * _UP
    places = neck - turns @ spine - waist
    hips = Joint("Hips", None, np.median(places, axis=0), still, waist)
    spine_joint = Joint("Spine", hips, waist, turns, spine)
    for side, out in SIDES.items():
        offset, name = np.array([0.25 * out * unit, 0, 0]), side.title()
        down, foot = -_THIGH * unit * _UP, unit * (_FOOT + _THIGH - LEG) * _UP
        thigh = Joint(f"{name}UpLeg", hips, offset, still, down)
        shin = Joint(f"{name}Leg", thigh, down, still, foot)
        Joint(f"{name}Foot", shin, foot, still, unit * np.array([0, -_FOOT, 0.4]))
    return hips, spine_joint, places


def _head(bones: _Bones, spine: Joint, unit: float) -> None:
    """Neck and head; without rotation they face in their median direction."""
    along = bones.place("nose") - bones.place("neck")
    usual = np.median((spine.turns.mT @ along[..., None])[bones.seen("nose", "neck"), :, 0], axis=0)
    ahead = spine.turns @ (usual / np.linalg.norm(usual))
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    turns = swing(ahead, np.where(length > 1e-6, along, ahead)) @ spine.turns
    high = max(usual[1], 0.3 * unit)
    neck = Joint("Neck", spine, spine.end, turns, 0.5 * high * _UP)
    Joint("Head", neck, neck.end, turns, 0.5 * high * _UP + 0.4 * unit * _UP)


def _arm(bones: _Bones, spine: Joint, side: str) -> None:
    """A collarbone, an arm and its hand; the forearm has half of the hand's roll."""
    out, name, part = SIDES[side], side.title(), f"{side}_{{}}".format
    ahead = np.array([out, 0.0, 0.0])
    rows = [OPENPOSE50.index(part(joint)) for joint in _ARM]
    lengths = _arm_lengths(bones.at[bones.seen(*map(part, _ARM))][:, rows])
    shoulder, elbow, wrist = bones.at[:, rows].swapaxes(0, 1)
    bones.at[:, rows[1]] = _elbow(shoulder, elbow, wrist, *lengths)
    collar = bones.joint(f"{name}Shoulder", spine, spine.end, "neck", part("shoulder"), ahead)
    ends = itertools.pairwise(map(part, _ARM))
    upper = bones.joint(f"{name}Arm", collar, collar.end, *next(ends), ahead)
    lower = bones.joint(f"{name}ForeArm", upper, upper.end, *next(ends), ahead)
    palm = _palm(bones, part, out)
    roll = twist(lower.turns.mT @ palm, ahead)
    lower.turns = lower.turns @ about(ahead, roll / 2)
    _hand(bones, Joint(f"{name}Hand", lower, lower.end, palm, 0.25 * ahead), part, out)


def _palm(bones: _Bones, part, out: float) -> np.ndarray:
    """Rotations [T, 3, 3] of a palm by its middle axis and the one from little to index finger."""
    middle, little, index = (bones.place(part(f"{f}_1")) for f in ("middle", "little", "index"))
    turns = frame(out * (middle - bones.place(part("hand_wrist"))), little - index)
    rest = frame(np.array([[1.0, 0, 0]]), np.array([[0, 0, -1.0]]))
    return turns @ rest.mT


def _hand(bones: _Bones, hand: Joint, part, out: float) -> None:
    """The fingers on a palm of constant shape."""
    wrist = bones.place(part("hand_wrist"))
    seen = bones.seen(*(part(name) for name in ("hand_wrist", *_HAND)))
    for finger, title in FINGERS.items():
        knuckle = hand.turns.mT @ (bones.place(part(f"{finger}_1")) - wrist)[..., None]
        joint, offset = hand, np.median(knuckle[seen, :, 0], axis=0)
        rest = (out, 0, 0.9 if finger == "thumb" else 0)
        for number in (1, 2, 3):
            ends = (part(f"{finger}_{number}"), part(f"{finger}_{number + 1}"))
            joint = bones.joint(f"{hand.name}{title}{number}", joint, offset, *ends, rest)
            offset = joint.end


def _arm_lengths(arms: np.ndarray) -> tuple[float, float]:
    """Lengths of upper arm and forearm that reach nearly all wrists of arms [T, 3, 3]."""
    upper, lower = np.median(np.linalg.norm(np.diff(arms, axis=1), axis=-1), axis=0)
    far = np.percentile(np.linalg.norm(arms[:, 2] - arms[:, 0], axis=-1), 99)
    grow = max(1.0, far / max(upper + lower, 1e-9))
    return grow * upper, grow * lower


def _elbow(shoulder, elbow, wrist, upper: float, lower: float) -> np.ndarray:
    """Elbows [T, 3] of an arm with bones of these lengths, bent in the same direction as before."""
    away = wrist - shoulder
    far = np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
    away = away / far
    far = np.clip(far, abs(upper - lower), upper + lower)
    along = (upper**2 - lower**2 + far**2) / np.maximum(2 * far, 1e-6)
    bend = elbow - shoulder
    bend = bend - (bend * away).sum(-1, keepdims=True) * away
    bend = bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-6)
    return shoulder + along * away + np.sqrt(np.maximum(upper**2 - along**2, 0)) * bend
