"""From positions to the model's frames and back: relative, standardized, with a counter.

Hand joints are taken relative to their wrist and body joints relative to the neck. Each joint's
mean is subtracted, and each group (body, each hand) is divided by one standard deviation. Missing
joints are 0 afterwards. The inverse is exact.
"""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.schema import limits, read_as
from signllm_jax.core.skeleton import Layout, get_layout
from signllm_jax.core.typing import Array

DEVIATION_FLOOR = 0.02
"""Smallest standard deviation of a group, in shoulder widths."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Means and standard deviations of relative positions, frozen at step 0 of a run.

    Attributes:
        layout: name of the skeleton layout.
        mean: float32 [J, 3], shoulder widths. A joint that no train clip shows has the mean of its
            placeholder positions, so that it can be drawn.
        deviation: float32 [J], one number per group, shoulder widths.
        fps: frames per second of the clips.
        frames: frames of the longest train clip.
        seen: float32 [J], share of the train frames that show a joint.
    """

    layout: str
    mean: np.ndarray
    deviation: np.ndarray
    fps: float = dataclasses.field(metadata=limits(low=0.1, high=1000.0))
    frames: int = dataclasses.field(metadata=limits(low=0, high=1 << 31))
    seen: np.ndarray

    @property
    def mean_pose(self) -> np.ndarray:
        """float32 [J, 3]: the train mean frame, absolute."""
        return restore_frames(np.zeros((1, self.mean.size), np.float32), self)[0]

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return vars(self) | {n: getattr(self, n).tolist() for n in ("mean", "deviation", "seen")}

    @classmethod
    def from_dict(cls, values: dict) -> "Statistics":
        """The inverse of `to_dict`; raises ConfigError where they are not those of a layout."""
        return read_as(cls, values, "statistics")

    def __post_init__(self):
        joints = get_layout(self.layout).size
        shapes = {"mean": (joints, 3), "deviation": (joints,), "seen": (joints,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ConfigError(f"statistics.{name}: {self.layout} has the shape {shape}")
        if not (self.deviation > 0).all():
            raise ConfigError("statistics.deviation: is not positive")


def relative(positions: Array, layout: Layout) -> Array:
    """Positions [T, J, 3] relative to each joint's parent; the neck stays as it is."""
    parent = np.array(layout.parent)
    root = (parent == np.arange(layout.size))[:, None]
    return positions - np.where(root, 0.0, positions[:, parent]).astype(positions.dtype)


def trusted(observed: np.ndarray, layout: Layout) -> np.ndarray:
    """bool [T, J]: joints that were seen together with the joint they are relative to."""
    return observed & observed[:, np.array(layout.parent)]


def collect_statistics(clips: Iterable[dict], layout_name: str) -> Statistics:
    """Statistics of a train split from its observed joints.

    Args:
        clips: examples with `pose` [T, J, 3], `confidence` [T, J] and `fps`.
        layout_name: name of the layout that all clips have.

    Raises:
        DataError: there is no clip, clips differ in frames per second, or have another layout.
    """
    layout = get_layout(layout_name)
    count = np.zeros(layout.size)
    total = np.zeros((layout.size, 3))
    squares = np.zeros((layout.size, 3))
    placed = np.zeros((layout.size, 3))  # sum of positions, seen or not
    rates: set[float] = set()
    frames = longest = 0
    for clip in clips:
        if clip["pose"].shape[1] != layout.size:
            raise DataError(f"clips have {clip['pose'].shape[1]} joints, {layout_name} has others")
        seen = trusted(clip["confidence"] > 0, layout)
        values = relative(clip["pose"].astype(np.float64), layout)
        placed += values.sum(0)
        values = values * seen[..., None]
        count += seen.sum(0)
        frames += len(values)
        total += values.sum(0)
        squares += np.square(values).sum(0)
        rates.add(round(float(clip["fps"]), 3))
        longest = max(longest, len(values))
    if not rates:
        raise DataError("the train split is empty: there is nothing to learn from")
    if len(rates) > 1:
        raise DataError(f"clips differ in frames per second: {sorted(rates)}")
    known = np.maximum(count, 1)[:, None]
    mean = np.where(count[:, None] > 0, total / known, placed / max(frames, 1))
    variance = np.maximum(squares / known - np.square(total / known), 0.0)
    deviation = np.ones(layout.size)
    for joints in layout.groups.values():
        index = list(joints)
        weight = count[index]
        pooled = (variance[index].mean(1) * weight).sum() / max(weight.sum(), 1)
        deviation[index] = max(np.sqrt(pooled), DEVIATION_FLOOR)
    return Statistics(
        layout=layout_name,
        mean=mean.astype(np.float32),
        deviation=deviation.astype(np.float32),
        fps=rates.pop(),
        frames=longest,
        seen=(count / max(frames, 1)).astype(np.float32),
    )


def make_frames(
    pose: np.ndarray, confidence: np.ndarray, statistics: Statistics
) -> tuple[np.ndarray, np.ndarray]:
    """Positions -> the model's frames.

    Args:
        pose: [T, J, 3] in shoulder widths.
        confidence: [T, J].
        statistics: statistics of the language.

    Returns:
        Frames float32 [T, 3J + 1], the counter (t + 1) / T last, and the mask bool [T, J].
    """
    layout = get_layout(statistics.layout)
    seen = trusted(confidence > 0, layout)
    values = relative(pose.astype(np.float32), layout) - statistics.mean
    values = values / statistics.deviation[:, None] * seen[..., None]
    time = len(pose)
    counter = np.arange(1, time + 1, dtype=np.float32)[:, None] / np.float32(time)
    return np.concatenate([values.reshape(time, 3 * layout.size), counter], -1), seen


def restore_frames(frames: np.ndarray, statistics: Statistics) -> np.ndarray:
    """The model's frames [T, 3J] (or with the counter) -> absolute positions float32 [T, J, 3]."""
    layout = get_layout(statistics.layout)
    values = np.asarray(frames, np.float32)[:, : 3 * layout.size].reshape(-1, layout.size, 3)
    values = values * statistics.deviation[:, None] + statistics.mean
    for joints, parents in joint_levels(layout.name)[1:]:
        values[:, joints] += values.take(parents, axis=1)
    return values


@functools.cache
def joint_levels(layout_name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The joints of a layout by distance from the root, and their parents; the root comes first."""
    parent = np.array(get_layout(layout_name).parent)
    levels = [np.flatnonzero(parent == np.arange(len(parent)))]
    while len(children := np.setdiff1d(np.flatnonzero(np.isin(parent, levels[-1])), levels[0])):
        levels.append(children)
    return [(joints, parent[joints]) for joints in levels]
