"""A filter in time that takes jitter off a clip."""

import dataclasses

import numpy as np

from signllm_jax.core.skeleton import DWPOSE128
from signllm_jax.poses.clip import PoseClip

TAPS = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Weights of the frames about one in its mean."""


def smoothed(clip: PoseClip) -> PoseClip:
    """The clip after [1 4 6 4 1] / 16 in time, so that jitter is no travel.

    Frames in which a joint is missing do not count in the joint's mean.
    """
    weight = np.pad(clip.observed.astype(np.float32), ((2, 2), (0, 0)))[..., None]
    values = np.pad(clip.positions, ((2, 2), (0, 0), (0, 0))) * weight
    count = len(clip)
    total = sum(tap * values[i : i + count] for i, tap in enumerate(TAPS))
    norm = sum(tap * weight[i : i + count] for i, tap in enumerate(TAPS))
    positions = total / np.maximum(norm, 1e-6)
    if clip.layout == DWPOSE128.name:
        positions[..., 2] = clip.positions[..., 2]  # the confidence
    return dataclasses.replace(clip, positions=positions)
