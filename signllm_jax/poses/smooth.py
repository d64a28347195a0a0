"""A filter in time that removes jitter from a clip."""

import dataclasses

import numpy as np

from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.clip import PoseClip

TAPS = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Weights of a frame and its neighbors in the filter."""


def smoothed(clip: PoseClip) -> PoseClip:
    """Filters a clip in time with [1 4 6 4 1] / 16.

    Frames in which a joint is missing do not count in the joint's mean.
    """
    weight = np.pad(clip.observed.astype(np.float32), ((2, 2), (0, 0)))[..., None]
    values = np.pad(clip.positions, ((2, 2), (0, 0), (0, 0))) * weight
    count = len(clip)
    total = sum(tap * values[i : i + count] for i, tap in enumerate(TAPS))
    norm = sum(tap * weight[i : i + count] for i, tap in enumerate(TAPS))
    positions = total / np.maximum(norm, 1e-6)
    if clip.layout == DWPOSE128.name:
        positions[..., 2] = clip.positions[..., 2]  # confidence
    return dataclasses.replace(clip, positions=positions)
