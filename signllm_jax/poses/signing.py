"""Finds the sign in a recording of an isolated sign: its first and last frame, and its hands.

Such a recording begins and ends with hands in the lap or in the air, its tracker may need a few
frames to find them, and the joints of a hand that rests are a guess. Only the signing itself is
kept, so that signs can be joined as in a sentence, where hands do not go back to the lap.
"""

import dataclasses
import itertools

import numpy as np

from signllm_jax.poses.clip import PoseClip

HANDS = (("right_wrist", "right_hand"), ("left_wrist", "left_hand"))
LOW = 0.8  # shoulder widths below the neck; wrists that are lower may be resting
SAME = 0.35  # largest distance between a hand's ends of a clip where it comes back to rest
RAISED = 0.7  # share of the way from the rest to the sign after which a hand is raised
WAY = 0.3  # shoulder widths that a hand moves if it takes part
JUMP = 3.0  # widths per second of a wrist; a clip that begins faster begins with a tracker's search
SEARCH = 0.25  # seconds at either end in which such jumps are cut off
STILL = 0.4  # widths per second; the joints of a hand that is held move less
HELD = 0.2  # seconds of a hold that are kept at either end
LEAST = 0.5  # seconds of a sign; a shorter part is widened


def signing_part(clip: PoseClip) -> PoseClip:
    """The part of a clip in which its sign is signed, without hands that do not take part.

    Args:
        clip: A take of one sign, openpose50, in shoulder widths about the neck.

    Returns:
        A clip of at least `LEAST` seconds where the take is that long. The joints of a hand that
        rests low all the time have confidence 0 and position 0; its arm stays.
    """
    tracks = [_track(clip, wrist) for wrist, _ in HANDS]
    seen = [clip.observed[:, list(clip.skeleton.groups[hand])].any() for _, hand in HANDS]
    start, stop = _search_ends(tracks, clip.fps)
    active = [s and _takes_part(track[start:stop]) for s, track in zip(seen, tracks)]
    if not any(active):
        active = seen
    if any(active):
        whole = start, stop
        start, stop = _raised(list(itertools.compress(tracks, active)), start, stop)
        hands = (hand for _, hand in itertools.compress(HANDS, active))
        moves = np.max([_hand_speed(clip, hand) for hand in hands], 0)
        start, stop = _unheld(moves, start, stop, clip.fps)
        start, stop = _widened(start, stop, whole, round(LEAST * clip.fps))
    positions, confidence = clip.positions[start:stop].copy(), clip.confidence[start:stop].copy()
    for (_, hand), on in zip(HANDS, active):
        if not on:
            joints = list(clip.skeleton.groups[hand])
            positions[:, joints], confidence[:, joints] = 0, 0
    return dataclasses.replace(clip, positions=positions, confidence=confidence)


def _track(clip: PoseClip, wrist: str) -> np.ndarray:
    """float [T, 2]: positions of a wrist in the picture plane, linear over gaps."""
    joint = clip.skeleton.index(wrist)
    shown = clip.observed[:, joint]
    if not shown.any():
        return np.zeros((len(clip), 2))
    moments = np.arange(len(clip))
    axes = (np.interp(moments, moments[shown], clip.positions[shown, joint, x]) for x in (0, 1))
    return np.stack(list(axes), -1)


def _search_ends(tracks: list[np.ndarray], fps: float) -> tuple[int, int]:
    """First frame and end without a tracker's jumps while it searches at a clip's ends."""
    speeds = np.linalg.norm(np.diff(tracks, axis=1), axis=-1) * fps  # [hands, T - 1]
    fast = speeds.max(axis=0) > JUMP
    window, frames = round(SEARCH * fps), len(fast) + 1
    early, late = np.flatnonzero(fast[:window]), np.flatnonzero(fast[::-1][:window])
    # a hand that rises is fast too, but from a rest: the very first step is not
    start = int(early[-1]) + 1 if len(early) and fast[0] else 0
    stop = frames - int(late[-1]) - 1 if len(late) and fast[-1] else frames
    return start, stop


def _takes_part(track: np.ndarray) -> bool:
    low = np.median(track[:, 1]) > LOW
    moved = np.linalg.norm(track - np.median(track, 0), axis=-1)
    return bool(not low or np.percentile(moved, 90) > WAY)


def _raised(tracks: list[np.ndarray], start: int, stop: int) -> tuple[int, int]:
    """First frame and end without the movements of resting hands from their rest and back."""
    raised = np.zeros(len(tracks[0]), bool)
    for track in tracks:
        first, last = track[start], track[stop - 1]
        rests = min(first[1], last[1]) > LOW * 0.75 and np.linalg.norm(first - last) < SAME
        away = np.linalg.norm(track - (first + last) / 2, axis=-1)
        far = np.percentile(away[start:stop], 90)
        raised |= away >= RAISED * far if rests and far > WAY else True
    inside = np.flatnonzero(raised[start:stop])
    return (start + int(inside[0]), start + int(inside[-1]) + 1) if len(inside) else (start, stop)


def _hand_speed(clip: PoseClip, hand: str) -> np.ndarray:
    """float [T - 1], widths per second: mean over a hand's joints; 0 where it is not seen."""
    joints = list(clip.skeleton.groups[hand])
    both = clip.observed[1:, joints] & clip.observed[:-1, joints]
    steps = np.linalg.norm(np.diff(clip.positions[:, joints, :2], axis=0), axis=-1)
    return (steps * both).sum(-1) / np.maximum(both.sum(-1), 1) * clip.fps


def _unheld(moves: np.ndarray, start: int, stop: int, fps: float) -> tuple[int, int]:
    """First frame and end without most of a hold at the start or at the end."""
    moments = start + np.flatnonzero(moves[start : stop - 1] > STILL)
    margin = round(HELD * fps)
    if not len(moments):  # a sign that is a hold: its middle
        middle = (start + stop) // 2
        return max(start, middle - margin), min(stop, middle + margin)
    return max(start, int(moments[0]) - margin), min(stop, int(moments[-1]) + 2 + margin)


def _widened(start: int, stop: int, within: tuple[int, int], least: int) -> tuple[int, int]:
    """First frame and end of at least so many frames around the same middle, within bounds."""
    lacking = max(least - (stop - start), 0)
    start = max(within[0], min(start - lacking // 2, within[1] - least))
    return start, min(within[1], max(stop, start + least))
