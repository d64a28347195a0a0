"""The joints of a clip as animation programs know them: bones of fixed lengths that turn.

The joints have the names of the skeletons that programs map to one another (Hips, Spine, Neck,
Head, LeftArm, LeftForeArm, LeftHand, LeftHandIndex1 ...). At rest the signer stands on the floor in
a T-pose, palms down, facing z, y up, and no joint is turned. A bone has its median length over the
clip and a palm keeps its shape. Hands are where the clip has them, and the elbow gives way where an
arm's length varies. What is not shown for a moment is bridged; an arm that is not shown for longer
hangs down. The clip says nothing of hips and legs: they stand still.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.turning import about, frame, swing, twist

SHOULDER = 0.37
"""Meters; the breadth between the shoulder joints of a grown person."""
LEG, WAIST, SPINE = 2.35, 0.3, 1.15
"""Shoulder widths from the floor to the hips, on to the waist, and on to the neck."""
SIDES = {"right": -1.0, "left": 1.0}
"""Where x points along each arm of the T-pose."""
FINGERS = ("thumb", "index", "middle", "ring", "little")
_THIGH, _FOOT = 1.15, 0.15  # shoulder widths
_UP = np.array([0.0, 1, 0])
_ARM = ("shoulder", "elbow", "wrist")
_HAND = [f"{finger}_{number}" for finger in FINGERS for number in range(1, 5)]
_NAMES = {"thumb": "Thumb", "index": "Index", "middle": "Middle", "ring": "Ring", "little": "Pinky"}
_LOWERED = 0.3  # seconds in which an arm that is no longer shown is lowered
# an arm that is not shown, in shoulder widths: down from the shoulder, and outwards in the palm
_HANGING = {"elbow": (0.12, -0.85, 0.0), "wrist": (0.16, -1.6, 0.12)}
_KNUCKLES = {"thumb": 0.12, "index": 0.08, "middle": 0.03, "ring": -0.03, "little": -0.08}
_FINGER_PARTS = (0.13, 0.08, 0.06)


class Joint:
    """A joint of the rig.

    Attributes:
        name: of the joint.
        parent: the joint that it hangs on; None for the root.
        offset: [3] from the parent at rest.
        turns: rotations [T, 3, 3] from the T-pose.
        end: [3] from the joint to the end of its bone at rest.
        children: the joints that hang on it.
    """

    def __init__(self, name: str, parent: "Joint | None", offset, turns: np.ndarray, end):
        self.name, self.parent, self.turns = name, parent, turns
        self.offset, self.end = np.asarray(offset, float), np.asarray(end, float)
        self.children: list[Joint] = []
        if parent is not None:
            parent.children.append(self)

    def walk(self) -> Iterator["Joint"]:
        """This joint and all below it, each after its parent."""
        yield self
        for child in self.children:
            yield from child.walk()

    def local(self) -> np.ndarray:
        """Rotations [T, 3, 3] from the parent's."""
        return self.turns if self.parent is None else self.parent.turns.mT @ self.turns

    def rest(self) -> np.ndarray:
        """Where the joint is in the T-pose [3]."""
        return self.offset if self.parent is None else self.parent.rest() + self.offset


class Root(Joint):
    """The joint that all others hang on, which moves.

    Attributes:
        places: [T, 3], where it is.
    """

    def __init__(self, name: str, offset, turns: np.ndarray, end, places: np.ndarray):
        super().__init__(name, None, offset, turns, end)
        self.places = places


def make_rig(clip: PoseClip, unit: float) -> Root:
    """The root of the joints of a clip whose shoulder width is `unit`.

    Raises:
        OutputError: the layout is flat.
    """
    if clip.layout != OPENPOSE50.name:
        raise OutputError(f"a {clip.layout} clip has no depth")
    at, shown = _complete(clip)
    at = (at + (LEG + WAIST + SPINE) * _UP) * unit
    bones = _Bones(at, shown)
    hips, spine = _trunk(bones, unit)
    _head(bones, spine, unit)
    for side in SIDES:
        _arm(bones, spine, side)
    return hips


def _complete(clip: PoseClip) -> tuple[np.ndarray, np.ndarray]:
    """Places [T, 50, 3], y up, of joints that are shown or not, and which are shown [T, 50]."""
    at, shown = clip.positions.astype(np.float64) * (1, -1, -1), clip.observed.copy()
    index, frames = OPENPOSE50.index, _LOWERED * clip.fps
    for side in SIDES:  # the hand's wrist is the body's, but more exact
        body, hand = index(f"{side}_wrist"), index(f"{side}_hand_wrist")
        at[:, body] = np.where(shown[:, hand, None], at[:, hand], at[:, body])
        shown[:, body] |= shown[:, hand]
    _bridge(at, shown)

    def place(name, known, otherwise):
        """Where a joint is: `known` [T] says how far where the clip has it, from 0 to 1."""
        row = index(name)
        known = known * shown[:, row].any()
        at[:, row] = known[:, None] * at[:, row] + (1 - known[:, None]) * otherwise

    always = np.ones(len(clip))
    place("neck", always, np.zeros(3))
    place("nose", always, at[:, index("neck")] + (0, 0.6, 0.3))
    for side, out in SIDES.items():
        shoulder, wrist, hand = (
            index(f"{side}_{name}") for name in ("shoulder", "wrist", "hand_wrist")
        )
        place(f"{side}_shoulder", always, at[:, index("neck")] + (0.5 * out, 0, 0))
        raised = _near(shown[:, wrist], frames)
        for name, down in _HANGING.items():
            place(f"{side}_{name}", raised, at[:, shoulder] + np.multiply(down, (out, 1, 1)))
        straight = _hand_along(at[:, wrist] - at[:, index(f"{side}_elbow")])
        signing, root = _near(shown[:, hand], frames), at[:, hand].copy()
        for number, name in enumerate(("hand_wrist", *_HAND)):
            row = index(f"{side}_{name}")
            at[:, row] += at[:, wrist] - root
            place(f"{side}_{name}", signing, at[:, wrist] + straight[:, number])
    return at, shown


def _bridge(at: np.ndarray, shown: np.ndarray) -> None:
    """Lets joints that are not shown for a while move evenly between where they are shown."""
    moments = np.arange(len(at))
    for joint in np.flatnonzero(shown.any(0) & ~shown.all(0)):
        seen = np.flatnonzero(shown[:, joint])
        for axis in range(3):
            at[:, joint, axis] = np.interp(moments, seen, at[seen, joint, axis])


def _near(shown: np.ndarray, frames: float) -> np.ndarray:
    """1 in frames [T] that are shown, and smoothly down to 0 in those `frames` away from them."""
    if not shown.any():
        return np.zeros(len(shown))
    away = np.abs(np.arange(len(shown))[:, None] - np.flatnonzero(shown)).min(axis=1)
    near = 1 - np.minimum(away / frames, 1)
    return near * near * (3 - 2 * near)


def _hand_along(forearm: np.ndarray) -> np.ndarray:
    """A straight hand [T, 21, 3] from the wrist in the direction of a forearm [T, 3]."""
    ahead = swing(np.broadcast_to(-_UP, forearm.shape), forearm)
    points = [(0.0, 0.0, 0.0)]
    for finger, forward in _KNUCKLES.items():
        down = 0.12 if finger == "thumb" else 0.27
        for part in (0, *_FINGER_PARTS):
            down += part
            points.append((0.0, -down, forward * (1 + down if finger == "thumb" else 1)))
    return np.einsum("tij,pj->tpi", ahead, np.array(points))


class _Bones:
    """Makes joints of places [T, 50, 3], of which some are shown [T, 50]."""

    def __init__(self, at: np.ndarray, shown: np.ndarray):
        self.at, self.shown = at, shown

    def place(self, name: str) -> np.ndarray:
        """Where a joint of the clip is [T, 3]."""
        return self.at[:, OPENPOSE50.index(name)]

    def seen(self, *names: str) -> np.ndarray:
        """The frames [T] that show all of these joints, or all frames if none does."""
        both = np.all(self.shown[:, [OPENPOSE50.index(name) for name in names]], -1)
        return both if both.any() else ~both

    def joint(self, name, parent, offset, start, end, rest) -> Joint:
        """A joint whose bone reaches from `start` to `end`, turned no more than it must be."""
        along = self.place(end) - self.place(start)
        lengths = np.linalg.norm(along, axis=-1)
        rest = np.array(rest) / np.linalg.norm(rest)
        ahead = parent.turns @ rest
        turns = swing(ahead, np.where(lengths[:, None] > 1e-6, along, ahead)) @ parent.turns
        return Joint(name, parent, offset, turns, rest * np.median(lengths[self.seen(start, end)]))


def _trunk(bones: _Bones, unit: float) -> tuple[Root, Joint]:
    """Hips and spine; the hips stand still but for what keeps the neck in its place."""
    neck = bones.place("neck")
    across = bones.place("left_shoulder") - bones.place("right_shoulder")
    level = np.median(across, axis=0) * (1, 0, 1)
    still = np.repeat(frame(level[None], _UP[None]), len(neck), axis=0)
    up = neck - (np.median(neck, axis=0) - SPINE * unit * _UP)
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    turns = frame(across - (across * up).sum(-1, keepdims=True) * up, up)
    waist, spine = WAIST * unit * _UP, SPINE * unit * _UP
    places = neck - turns @ spine - waist
    hips = Root("Hips", np.median(places, axis=0), still, waist, places)
    made = Joint("Spine", hips, waist, turns, spine)
    for side, out in SIDES.items():
        offset, name = np.array([0.25 * out * unit, 0, 0]), side.title()
        down, foot = -_THIGH * unit * _UP, unit * (_FOOT + _THIGH - LEG) * _UP
        thigh = Joint(f"{name}UpLeg", hips, offset, still, down)
        shin = Joint(f"{name}Leg", thigh, down, still, foot)
        Joint(f"{name}Foot", shin, foot, still, unit * np.array([0, -_FOOT, 0.4]))
    return hips, made


def _head(bones: _Bones, spine: Joint, unit: float) -> None:
    """Neck and head, which face where they mostly do when they are not turned."""
    along = bones.place("nose") - bones.place("neck")
    usual = np.median((spine.turns.mT @ along[..., None])[bones.seen("nose", "neck"), :, 0], axis=0)
    ahead = spine.turns @ (usual / np.linalg.norm(usual))
    length = np.linalg.norm(along, axis=-1, keepdims=True)
    turns = swing(ahead, np.where(length > 1e-6, along, ahead)) @ spine.turns
    high = max(usual[1], 0.3 * unit)
    neck = Joint("Neck", spine, spine.end, turns, 0.5 * high * _UP)
    Joint("Head", neck, neck.end, turns, 0.5 * high * _UP + 0.4 * unit * _UP)


def _arm(bones: _Bones, spine: Joint, side: str) -> None:
    """A collarbone, an arm and its hand, whose roll the forearm shares."""
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
    """How a palm is turned [T, 3, 3]: along its middle, and from little to index finger."""
    middle, little, index = (bones.place(part(f"{f}_1")) for f in ("middle", "little", "index"))
    turns = frame(out * (middle - bones.place(part("hand_wrist"))), little - index)
    rest = frame(np.array([[1.0, 0, 0]]), np.array([[0, 0, -1.0]]))
    return turns @ rest.mT


def _hand(bones: _Bones, hand: Joint, part, out: float) -> None:
    """The fingers, on a palm that keeps its shape."""
    wrist = bones.place(part("hand_wrist"))
    seen = bones.seen(*(part(name) for name in ("hand_wrist", *_HAND)))
    for finger in FINGERS:
        knuckle = hand.turns.mT @ (bones.place(part(f"{finger}_1")) - wrist)[..., None]
        joint, offset = hand, np.median(knuckle[seen, :, 0], axis=0)
        rest = (out, 0, 0.9 if finger == "thumb" else 0)
        for number in (1, 2, 3):
            name = f"{hand.name}{_NAMES[finger]}{number}"
            ends = (part(f"{finger}_{number}"), part(f"{finger}_{number + 1}"))
            joint = bones.joint(name, joint, offset, *ends, rest)
            offset = joint.end


def _arm_lengths(arms: np.ndarray) -> tuple[float, float]:
    """Lengths of upper arm and forearm that reach nearly all wrists of arms [T, 3, 3]."""
    upper, lower = np.median(np.linalg.norm(np.diff(arms, axis=1), axis=-1), axis=0)
    far = np.percentile(np.linalg.norm(arms[:, 2] - arms[:, 0], axis=-1), 99)
    grow = max(1.0, far / max(upper + lower, 1e-9))
    return grow * upper, grow * lower


def _elbow(shoulder, elbow, wrist, upper: float, lower: float) -> np.ndarray:
    """Elbows [T, 3] of an arm of these lengths that is bent to the side to which it was."""
    away = wrist - shoulder
    far = np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
    away = away / far
    far = np.clip(far, abs(upper - lower), upper + lower)
    along = (upper**2 - lower**2 + far**2) / np.maximum(2 * far, 1e-6)
    bend = elbow - shoulder
    bend = bend - (bend * away).sum(-1, keepdims=True) * away
    bend = bend / np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-6)
    return shoulder + along * away + np.sqrt(np.maximum(upper**2 - along**2, 0)) * bend
