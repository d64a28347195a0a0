"""Joins clips, with a movement at even or eased speed from one clip to the next."""

import itertools
from collections.abc import Sequence

import numpy as np

from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import moved_cues


def join_clips(clips: Sequence[PoseClip], pause: float, eased: bool = False) -> PoseClip:
    """Joins clips one after the other.

    Args:
        clips: At least one clip; all have the same layout and frame rate.
        pause: Seconds between two clips. Joints that both ends show move in a straight line from
            one to the other; other joints are missing meanwhile.
        eased: Whether joints start and arrive slowly, as hands do, instead of at even speed.
    """
    frames, fps = round(pause * clips[0].fps), clips[0].fps
    positions, confidence = [clips[0].positions], [clips[0].confidence]
    cues, words, at = clips[0].cues, _words(clips[0]), len(clips[0])
    for before, after in itertools.pairwise(clips):
        if frames and len(before) and len(after):
            share = (np.arange(1, frames + 1, dtype=np.float32) / (frames + 1))[:, None, None]
            share = smooth_step(share) if eased else share
            seen = np.minimum(before.confidence[-1], after.confidence[0])
            way = before.positions[-1] * (1 - share) + after.positions[0] * share
            positions.append(np.where(seen[:, None] > 0, way, 0).astype(np.float32))
            confidence.append(np.repeat(seen[None], frames, axis=0))
            at += frames
        cues += moved_cues(after.cues, at / fps, words)
        words, at = words + _words(after), at + len(after)
        positions.append(after.positions)
        confidence.append(after.confidence)
    arrays = np.concatenate(positions), np.concatenate(confidence)
    return PoseClip(*arrays, fps, clips[0].layout, cues, all(clip.ended for clip in clips))


def smooth_step(share: np.ndarray) -> np.ndarray:
    """0..1 -> 0..1, slow at both ends: 3 s^2 - 2 s^3."""
    return share * share * (3 - 2 * share)


def _words(clip: PoseClip) -> int:
    return max((cue.word + 1 for cue in clip.cues), default=0)
