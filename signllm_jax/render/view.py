"""The part of space that a picture shows: a whole signer, or a close-up of a hand from the side."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.clip import PoseClip

HAND_SPAN = 0.85
"""Width and height of a close-up of a hand in shoulder widths."""
_AROUND = 6  # frames before and after a frame whose mean position its close-up shows
_USED = 0.1  # least share of the frames that show a hand with a close-up
_HANDS = ("right_hand", "left_hand")


@dataclasses.dataclass(frozen=True)
class View:
    """The part of space that a picture shows, fixed over a clip so that sizes are comparable.

    Attributes:
        left: Left edge of the picture, in shoulder widths from the neck.
        top: Upper edge of the picture, in shoulder widths from the neck (y points down).
        width: Width in shoulder widths.
        height: Height in shoulder widths.
        side: Whether the view is from the signer's left instead of the front; the signer then
            faces left.
    """

    left: float
    top: float
    width: float
    height: float
    side: bool = False

    def project(self, positions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Pixels [J, 2] of positions [J, 3] in a picture of size (width, height)."""
        across = positions[:, 2] if self.side else positions[:, 0]
        points = np.stack([across - self.left, positions[:, 1] - self.top], axis=-1)
        return points * self.pixels(size)

    def depth(self, positions: np.ndarray) -> np.ndarray:
        """Distances [J] of positions [J, 3] from the viewer, in shoulder widths."""
        return -positions[:, 0] if self.side else positions[:, 2]

    def pixels(self, size: tuple[int, int]) -> float:
        """Pixels per shoulder width, the same in both directions."""
        return min(size[0] / self.width, size[1] / self.height)


def drawn_positions(clip: PoseClip) -> np.ndarray:
    """Positions to draw, float64 [T, J, 3]; the flat layout dwpose128 has no depth."""
    positions = clip.positions.astype(np.float64)
    return positions * (1, 1, 0) if clip.layout == DWPOSE128.name else positions


def signing_space(clips: Sequence[PoseClip]) -> tuple[np.ndarray, np.ndarray]:
    """Two corners [3] of a box around the hands, elbows and heads of all of `clips`.

    Raises OutputError if there is no frame.
    """
    if not any(len(clip) for clip in clips):
        raise OutputError("a clip without frames cannot be drawn")
    low, high = [[-0.55, -0.3, -0.55]], [[0.55, 0.7, 0.55]]
    for clip in clips:
        groups, index, observed = clip.skeleton.groups, clip.skeleton.index, clip.observed
        hands = (*groups["left_hand"], *groups["right_hand"])
        elbows = (index("left_elbow"), index("right_elbow"))
        for joints, margin, trim in (
            (hands, 0.12, 0.5),
            (groups["body"][:2], 0.42, 5),
            (elbows, 0.08, 0.5),
        ):
            seen = np.flatnonzero(observed.take(joints, axis=1))
            if len(seen):
                points = clip.positions.take(joints, axis=1).reshape(-1, 3).take(seen, axis=0)
                lower, upper = _percentiles(points, np.array([trim, 100 - trim]))
                low.append(lower - margin)
                high.append(upper + margin)
    return np.min(low, axis=0), np.max(high, axis=0)


def _percentiles(points: np.ndarray, which: np.ndarray) -> np.ndarray:
    """`np.percentile` along the first axis of points [N, 3], in a fifth of its time."""
    ranks = which / 100 * (len(points) - 1)
    below = ranks.astype(int)
    above = np.minimum(below + 1, len(points) - 1)
    ordered = np.sort(points, axis=0)
    share = (ranks - below)[:, None]
    return ordered[below] * (1 - share) + ordered[above] * share


def signing_view(
    clips: Sequence[PoseClip], side: bool = False, aspect: float | None = None
) -> View:
    """The smallest view that shows the `signing_space` of all of `clips`.

    Args:
        clips: Clips that will be drawn at this scale.
        side: See `View`.
        aspect: Width by height of the picture; by default that of the signing space, limited to
            0.75 to 1.25.

    Raises:
        OutputError: there is no frame to draw.
    """
    axes = [2 if side else 0, 1]
    low, high = (corner[axes] for corner in signing_space(clips))
    width, height = high - low
    aspect = aspect or float(np.clip(width / height, 0.75, 1.25))
    wide, tall = max(width, height * aspect), max(height, width / aspect)
    centre = (low + high) / 2
    return View(centre[0] - wide / 2, centre[1] - tall / 2, wide, tall, side)


def used_hands(clip: PoseClip) -> tuple[str, ...]:
    """The groups of the hands that a clip shows often enough for a close-up."""
    shown = {name: clip.observed[:, clip.skeleton.groups[name][0]] for name in _HANDS}
    return tuple(name for name in _HANDS if shown[name].mean() > _USED)


def hand_view(clip: PoseClip, group: str, index: int) -> View:
    """The close-up of a hand at a frame from the signer's left, which follows it smoothly."""
    frames = np.clip(np.arange(index - _AROUND, index + _AROUND + 1), 0, len(clip) - 1)
    joints = list(clip.skeleton.groups[group])
    points = clip.positions[frames][:, joints][clip.observed[frames][:, joints]]
    _, y, z = points.mean(axis=0) if len(points) else np.zeros(3)
    return View(z - HAND_SPAN / 2, y - HAND_SPAN / 2, HAND_SPAN, HAND_SPAN, side=True)
