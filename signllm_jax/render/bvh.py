"""Writes a clip as `.bvh`: a skeleton of fixed lengths whose joints turn, for animation programs.

The file is in centimeters, y up, the signer facing z in a T-pose at rest. Every bone has a joint at
its beginning: `right_elbow` turns the forearm, `right_index_1` the index finger's first part and
`right_index_0`, at the wrist, what lies before it in the palm; `right_wrist` turns the whole hand.
A bone has its median length over the clip; elbows give way, so that hands stay where they are. What
is not shown stays as it was.
"""

import io
import itertools
from pathlib import Path

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.glb import SHOULDER, held_positions

_UNIT = 100 * SHOULDER  # centimeters of a shoulder width
_SIDES = {"right": -1.0, "left": 1.0}  # where x points in the T-pose
_FINGERS = {"thumb": 0.9, "index": 0.3, "middle": 0.05, "ring": -0.2, "little": -0.4}
"""How far forward each lies in the palm of the T-pose, beside 1 outwards."""


class _Joint:
    """A joint of the file.

    Attributes:
        name: of the joint.
        rest: unit vector [3] of its bone in the T-pose.
        turns: rotations [T, 3, 3] from the T-pose.
        length: of its bone in centimeters, 0 where it has none.
        parent: the joint that it hangs on.
        children: the joints that hang on it.
    """

    def __init__(self, name, rest, turns, length=0.0, parent=None):
        self.name, self.length, self.parent, self.turns = name, length, parent, turns
        self.rest = np.array(rest) / np.linalg.norm(rest)
        self.children: list[_Joint] = []
        if parent is not None:
            parent.children.append(self)

    def walk(self):
        """This joint and all below it, as the file lists them."""
        yield self
        for child in self.children:
            yield from child.walk()


def save_bvh(path: Path, clip: PoseClip) -> None:
    """Writes the clip; raises OutputError for a flat layout."""
    if clip.layout != OPENPOSE50.name:
        raise OutputError(f"a {clip.layout} clip has no depth")
    positions, _ = held_positions(clip)
    root = _skeleton(positions.astype(np.float64) * (_UNIT, -_UNIT, -_UNIT), clip.observed)
    lines = ["HIERARCHY", *_described(root, np.zeros(3), 0), "MOTION"]
    lines += [f"Frames: {len(clip)}", f"Frame Time: {1 / clip.fps:.8f}", ""]
    place = positions[:, OPENPOSE50.index("neck")] * (_UNIT, -_UNIT, -_UNIT)
    angles = [
        _angles(joint.turns if joint.parent is None else _local(joint)) for joint in root.walk()
    ]
    with io.StringIO() as motion:
        np.savetxt(motion, np.concatenate([place, *angles], axis=1), fmt="%.4f")
        path.write_text("\n".join(lines) + motion.getvalue(), encoding="ascii")


def _skeleton(at: np.ndarray, seen: np.ndarray) -> _Joint:
    """The joints of positions [T, 50, 3] in centimeters, y up; seen bool [T, 50]."""
    index = OPENPOSE50.index

    def bone(name, parent, start, end, rest):
        """A joint at `start` whose bone ends at `end`, turned no more than it must be."""
        a, b = index(start), index(end)
        along = at[:, b] - at[:, a]
        lengths = np.linalg.norm(along, axis=-1)
        both = seen[:, a] & seen[:, b]
        length = float(np.median(lengths[both])) if both.any() else 0.0
        made = _Joint(name, rest, parent.turns, length, parent)
        ahead = parent.turns @ made.rest
        made.turns = _swing(ahead, np.where(lengths[:, None] > 1e-6, along, ahead)) @ parent.turns
        return made

    for side in _SIDES:
        arm = [index(f"{side}_{part}") for part in _ARM]
        shown = at[seen[:, arm].all(axis=1)][:, arm]
        if len(shown):
            at[:, arm[1]] = _elbow(*at[:, arm].swapaxes(0, 1), *_arm_lengths(shown))
    across = at[:, index("left_shoulder")] - at[:, index("right_shoulder")]
    root = _Joint("neck", (0, 1, 0), _frame(across, np.broadcast_to([0, 1.0, 0], across.shape)))
    bone("head", root, "neck", "nose", (0, 1, 0))
    for side, out in _SIDES.items():
        part, ahead = f"{side}_{{}}".format, (out, 0, 0)
        collar = bone(part("collar"), root, "neck", part("shoulder"), ahead)
        upper = bone(part("shoulder"), collar, part("shoulder"), part("elbow"), ahead)
        lower = bone(part("elbow"), upper, part("elbow"), part("wrist"), ahead)
        middle, little, first = (at[:, index(part(f"{name}_1"))] for name in _PALM)
        palm = _frame(out * (middle - at[:, index(part("hand_wrist"))]), little - first)
        rest = _frame(np.array([[1.0, 0, 0]]), np.array([[0, 0, -1.0]]))
        wrist = _Joint(part("wrist"), ahead, palm @ rest.transpose(0, 2, 1), parent=lower)
        for finger, forward in _FINGERS.items():
            names = [part("hand_wrist"), *(part(f"{finger}_{number}") for number in range(1, 5))]
            joint, rest = wrist, (out, 0, forward)
            for number, (start, end) in enumerate(itertools.pairwise(names)):
                joint = bone(part(f"{finger}_{number}"), joint, start, end, rest)
                rest = (out, 0, forward if finger == "thumb" else 0)
    return root


_PALM = ("middle", "little", "index")
_ARM = ("shoulder", "elbow", "wrist")


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


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rotations [T, 3, 3] whose columns are `first`, what is left of `second`, and their normal."""
    x = first / np.maximum(np.linalg.norm(first, axis=-1, keepdims=True), 1e-9)
    y = second - (second * x).sum(-1, keepdims=True) * x
    length = np.linalg.norm(y, axis=-1, keepdims=True)
    made = np.stack(
        [x, y / np.maximum(length, 1e-9), np.cross(x, y / np.maximum(length, 1e-9))], -1
    )
    whole = (np.linalg.norm(x, axis=-1) > 0.5) & (length[:, 0] > 1e-6)
    return np.where(whole[:, None, None], made, np.eye(3))


def _swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotations [T, 3, 3] that turn directions [T, 3] into others."""
    end = end / np.linalg.norm(end, axis=-1, keepdims=True)
    axis, cosine = np.cross(start, end), (start * end).sum(-1)
    x, y, z = axis.T
    zero = np.zeros_like(x)
    turn = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    turn = np.eye(3) + turn + turn @ turn / np.maximum(1 + cosine, 1e-9)[:, None, None]
    any_axis = np.cross(start, np.where(np.abs(start[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    any_axis /= np.linalg.norm(any_axis, axis=-1, keepdims=True)
    half = 2 * any_axis[:, :, None] * any_axis[:, None] - np.eye(3)
    return np.where((cosine < -1 + 1e-6)[:, None, None], half, turn)


def _local(joint: _Joint) -> np.ndarray:
    return joint.parent.turns.transpose(0, 2, 1) @ joint.turns


def _angles(turns: np.ndarray) -> np.ndarray:
    """Degrees [T, 3] about z, x and y, in this order from the left, without jumps."""
    z = np.arctan2(-turns[:, 0, 1], turns[:, 1, 1])
    x = np.arcsin(np.clip(turns[:, 2, 1], -1, 1))
    y = np.arctan2(-turns[:, 2, 0], turns[:, 2, 2])
    return np.degrees(np.stack([np.unwrap(z), x, np.unwrap(y)], axis=-1))


def _described(joint: _Joint, offset: np.ndarray, depth: int) -> list[str]:
    """The lines of a joint and of all below it, `offset` from the joint above."""
    pad, turns = "  " * depth, "Zrotation Xrotation Yrotation"
    place = "OFFSET {:.4f} {:.4f} {:.4f}".format
    moves = f"6 Xposition Yposition Zposition {turns}" if joint.parent is None else f"3 {turns}"
    end = joint.rest * joint.length
    lines = [f"{pad}{'JOINT' if joint.parent else 'ROOT'} {joint.name}", pad + "{"]
    lines += [f"{pad}  {place(*offset)}", f"{pad}  CHANNELS {moves}"]
    for child in joint.children:
        lines += _described(child, end, depth + 1)
    if not joint.children:
        lines += [f"{pad}  End Site", pad + "  {", f"{pad}    {place(*end)}", pad + "  }"]
    return [*lines, pad + "}"]
