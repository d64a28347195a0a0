"""Joins recorded letters to a clip: eased joins, a bounce between equal letters, word pauses.

Pure functions of letters; the corpora choose the letters and the signer.
"""

from collections.abc import Sequence

import numpy as np

from signllm_jax.corpora.letters import FPS, HANDS, LETTER_FRAMES, Letter, carry, interpolate
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.join import smooth_step

JOIN_FRAMES = 4
PAUSE_FRAMES = 12
"""Frames between two words, in place of a join."""
BOUNCE = 0.2
"""How far the hand moves outward and back between two equal letters, in shoulder widths: about
the width of a hand."""
DIP = 0.3
"""How far the hand sinks and rises again between two words, in shoulder widths."""


def join_letters(words: Sequence[Sequence[tuple[str, Letter]]], letter_frames: int) -> PoseClip:
    """The letters of one or several words as one clip, openpose50 at 25 frames per second.

    An arm that does not take part rests with confidence 0; one that some letters do not use is
    carried from where it was seen last to where it is seen next.

    Args:
        words: the words, each a sequence of (unit, letter); at least one letter in all.
        letter_frames: number of frames that every letter is held.

    Returns:
        A clip of `n * letter_frames` frames for n letters, JOIN_FRAMES for every two letters of a
        word and PAUSE_FRAMES for every two words.
    """
    times = np.linspace(0, LETTER_FRAMES - 1, letter_frames)
    parts: list[np.ndarray] = []
    seen: list[np.ndarray] = []
    for word in words:
        for index, (unit, letter) in enumerate(word):
            held = interpolate(letter.positions, times)
            shown = np.repeat(letter.confidence[:1], letter_frames, axis=0)
            if parts:
                joined = _ease(parts[-1][-1], held[0], JOIN_FRAMES if index else PAUSE_FRAMES)
                both = np.minimum(seen[-1][-1:], shown[:1])
                if not index:
                    joined += _excursion(np.maximum(seen[-1][-1], shown[0]), PAUSE_FRAMES, down=DIP)
                elif word[index - 1][0] == unit:
                    joined += _excursion(letter.confidence[0], JOIN_FRAMES, outward=BOUNCE)
                parts.append(joined)
                seen.append(np.repeat(both, len(joined), axis=0))
            parts.append(held)
            seen.append(shown)
    confidence = np.concatenate(seen)
    positions = _carry_unseen_arms(np.concatenate(parts), confidence)
    return PoseClip(positions.astype(np.float32), confidence.astype(np.float32), FPS)


def _ease(start: np.ndarray, end: np.ndarray, frames: int) -> np.ndarray:
    """[frames, J, 3] from pose `start` to pose `end`, slow at both ends."""
    weight = smooth_step(np.arange(1, frames + 1) / (frames + 1))[:, None, None]
    return start * (1 - weight) + end * weight


def _excursion(
    confidence: np.ndarray, frames: int, outward: float = 0.0, down: float = 0.0
) -> np.ndarray:
    """[frames, J, 3]: the shown hands move outward or down and back, the elbows half as far."""
    height = np.sin(np.pi * np.arange(1, frames + 1) / (frames + 1))
    shift = np.zeros((len(confidence), 3))
    for sign, (_, wrist, start) in zip((-1, 1), HANDS):
        if confidence[wrist] > 0:
            shift[[wrist, *range(start, start + 21)]] = sign * outward, down, 0.0
            shift[wrist - 1] = shift[wrist] / 2
    return height[:, None, None] * shift


def _carry_unseen_arms(positions: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Moves an arm that a letter does not use from where it was seen last to where it is next.

    It would otherwise drop to its rest and rise again within the word.
    """
    for _, wrist, start in HANDS:
        for joint in (wrist - 1, wrist, *range(start, start + 21)):
            carry(positions, joint, confidence[:, wrist] > 0)
    return positions
