"""The surface of a signer around the joints of `render/rig.py` at rest, in the colors of the page.

Capsules around bones, a chest, a head with a nose, and palms; each finger has its own shade, as in
pictures. Sizes are in shoulder widths.
"""

import dataclasses
import itertools

import numpy as np

from signllm_jax.render.figure import COLOURS
from signllm_jax.render.rig import SIDES, Joint
from signllm_jax.render.turning import swing

_AROUND = 12  # points of a circle
_ARM = (("Shoulder", 0.12, "torso"), ("Arm", 0.085, "limb"), ("ForeArm", 0.065, "limb"))
# height from the waist to the neck, half the width, half the depth, weight of the spine
_CHEST = (
    (-0.25, 0.0, 0.0, 0.0),
    (-0.25, 0.36, 0.22, 0.0),
    (0.0, 0.35, 0.21, 0.5),
    (0.45, 0.4, 0.24, 1.0),
    (0.85, 0.48, 0.24, 1.0),
    (1.0, 0.4, 0.16, 1.0),
    (1.06, 0.12, 0.1, 1.0),
    (1.06, 0.0, 0.0, 1.0),
)


@dataclasses.dataclass
class Part:
    """A piece of the surface.

    Attributes:
        points: Positions at rest [N, 3].
        normals: Outward normals [N, 3].
        faces: Indices of points [F, 3], counterclockwise as seen from outside.
        colour: `#rrggbb`.
        weights: Name of a joint -> weights [N] with which the points follow it, or one number; the
            weights of all joints sum to 1.
    """

    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    colour: str
    weights: dict[str, np.ndarray | float]


def body_parts(joints: list[Joint], unit: float) -> list[Part]:
    """The parts of a figure around the joints of a rig whose shoulder width is `unit`."""
    at = {joint.name: joint for joint in joints}
    parts = [_chest(at, unit), *_head(at, unit)]
    for side in SIDES:
        for bone, radius, colour in _ARM:
            parts.append(_capsule(at[f"{side.title()}{bone}"], radius * unit, COLOURS[colour]))
        parts += _hand(at, side, unit)
    return parts


def _hand(at: dict[str, Joint], side: str, unit: float) -> list[Part]:
    hand, palm = at[f"{side.title()}Hand"], COLOURS[f"{side}_hand_palm"]
    knuckles = [joint.offset for joint in hand.children]
    pairs = [(np.zeros(3), knuckle) for knuckle in knuckles]
    pairs += list(itertools.pairwise(knuckles[1:]))
    pairs += [(0.5 * a, 0.5 * b) for a, b in itertools.pairwise(knuckles)]
    parts = [_capsule(hand, 0.042 * unit, palm, *pair) for pair in pairs]
    for number, joint in enumerate(hand.children):
        radius = (0.036 if number == 0 else 0.03) * unit  # the thumb is thicker
        for bone in joint.walk():
            parts.append(_capsule(bone, radius, COLOURS[f"{side}_hand_{number}"]))
            radius *= 0.9
    return parts


def _head(at: dict[str, Joint], unit: float) -> list[Part]:
    neck, head, colour = at["Neck"], at["Head"], COLOURS["head"]
    middle = head.end - np.array([0, 0.4, 0]) * unit  # at the height of the nose
    skull = middle + np.array([0, 0.06, 0.04]) * unit
    tip = middle + np.array([0, 0, 0.3]) * unit
    return [
        _capsule(neck, 0.1 * unit, colour, np.zeros(3), neck.end + skull - (0, 0.1 * unit, 0)),
        _ball(head, skull, np.array([0.23, 0.33, 0.27]) * unit, colour),
        _ball(head, tip, np.array([0.035, 0.05, 0.05]) * unit, COLOURS["face"]),
    ]


def _chest(at: dict[str, Joint], unit: float) -> Part:
    spine = at["Spine"]
    high, wide, deep, share = np.array(_CHEST).T
    heights = np.where(high < 0, high * unit, high * spine.end[1])
    points, faces = _lathe(np.stack([wide * unit, heights, deep * unit]))
    share = np.repeat(share, _AROUND)
    weights = {"Hips": 1 - share, "Spine": share}
    return _part(spine.rest() + points, faces, COLOURS["torso"], weights)


def _capsule(joint: Joint, radius: float, colour: str, start=None, end=None) -> Part:
    """A cylinder with round ends, along the joint's bone or between two offsets from it."""
    start = np.zeros(3) if start is None else start
    end = joint.end if end is None else end
    length = np.linalg.norm(end - start)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 8)
    high = radius * np.sin(angle) + np.where(angle > 0, length, 0)
    wide = radius * np.cos(angle)
    points, faces = _lathe(np.stack([wide, high, wide]))
    up = np.array([[0.0, 1, 0]])
    turn = swing(up, (end - start)[None])[0] if length > 1e-9 else np.eye(3)
    points = joint.rest() + start + points @ turn.T
    return _part(points, faces, colour, {joint.name: 1.0})


def _ball(joint: Joint, middle: np.ndarray, radii: np.ndarray, colour: str) -> Part:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    rings = np.stack([np.cos(angle), np.sin(angle), np.cos(angle)])
    points, faces = _lathe(rings * radii[:, None])
    return _part(joint.rest() + middle + points, faces, colour, {joint.name: 1.0})


def _lathe(rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [R * _AROUND, 3] and faces of rings (half width, height, half depth) [3, R]."""
    turn = 2 * np.pi * np.arange(_AROUND) / _AROUND
    wide, high, deep = rings[..., None]
    coordinates = np.broadcast_arrays(wide * np.sin(turn), high, deep * np.cos(turn))
    points = np.stack(coordinates, axis=-1).reshape(-1, 3)
    ring, step = np.meshgrid(np.arange(rings.shape[1] - 1), np.arange(_AROUND), indexing="ij")
    a, b = ring * _AROUND + step, ring * _AROUND + (step + 1) % _AROUND
    c, d = a + _AROUND, b + _AROUND
    faces = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)]).reshape(-1, 3)
    return points, faces


def _part(points: np.ndarray, faces: np.ndarray, colour: str, weights) -> Part:
    """A part with smooth normals, without the faces at a pole that have no area."""
    a, b, c = points[faces].swapaxes(0, 1)
    areas = np.cross(b - a, c - a)
    whole = np.linalg.norm(areas, axis=-1) > 1e-12
    distinct, same = np.unique(points.round(7), axis=0, return_inverse=True)
    sums = np.zeros_like(distinct)
    np.add.at(sums, same.reshape(-1)[faces[whole]], areas[whole, None])
    normals = sums[same.reshape(-1)]
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
    return Part(points, normals, faces[whole], colour, weights)
