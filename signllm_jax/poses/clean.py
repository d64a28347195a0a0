"""Cleans a clip before it is lifted: outliers, short gaps, rests at the ends, one frame rate.

Every step counts what it did. Lengths are shoulder widths, times are seconds.
"""

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, Layout
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs

FPS = 25.0  # of everything that is prepared
LEAST_CONFIDENCE = 0.1  # a joint below it was guessed by the detector, not seen
JUMP = {"body": 0.6, "left_hand": 0.35, "right_hand": 0.35, "face": 0.35}
"""How far a joint may be from the median of its five frames (hands and face relative to what they
hang on): fast signing moves a wrist by 0.3 in a frame and goes on or comes back in a curve."""
REACH = 1.0  # of a finger from its wrist; a long hand has 0.7
DETACHED = 0.6  # of a hand from its arm's wrist: it is someone else's, or the other one
MAX_GAP = 0.4  # seconds that are interpolated; longer gaps stay missing
FILLED = 0.5  # confidence of an interpolated joint, as a part of its neighbors' lower one
LOW = 1.1  # wrists that far below the neck are in the lap or hang
STILL = 0.5  # widths a second; hands that rest move less
MARGIN = 0.2  # seconds of a rest that are kept, so that the first movement has a start
LEAST_FRAMES = 2  # a clip of fewer is no movement
_WINDOW = 5
_REACH_OF = ("left_hand", "right_hand")


def clean(
    clip: PoseClip,
    repairs: Repairs | None = None,
    place: str = "clip",
    budget: Budget = BUDGET,
) -> PoseClip:
    """Rejects, fills, trims and resamples a clip; all of it before the lift, after the reader.

    Args:
        clip: any layout, flat or not.
        repairs: `joints rejected`, `joints interpolated`, `frames repaired` (with a rejected or
            interpolated joint), `rest frames trimmed` and `clips resampled` are added to it, and
            what they are counted of, `joints read` and `frames read`.
        place: what to name in an error.
        budget: limits of a clip, asked before it is resampled: a low rate makes many frames of few.

    Returns:
        The clip at `FPS`; gaps longer than `MAX_GAP` seconds are still missing.

    Raises:
        PoseFormatError: no joint is left, fewer than two frames, or a clip that lasts too long.
    """
    repairs = Repairs() if repairs is None else repairs
    budget.ask(place, clip.fps, frames=len(clip))
    layout = clip.skeleton
    positions = clip.positions.astype(np.float64)
    if layout is DWPOSE128:
        positions[..., 2] = 0  # there it is the confidence
    positions, confidence = face_the_viewer(positions, clip.confidence, layout, repairs)
    rejected = outliers(positions, confidence, layout)
    confidence = np.where(rejected, 0, confidence).astype(np.float64)
    if not confidence.any():
        raise PoseFormatError(f"{place}: no joint is seen well enough")
    positions, confidence, filled = fill_gaps(positions, confidence, layout, clip.fps)
    start, stop = working_part(positions, confidence, layout, clip.fps)
    repairs["frames read"] += len(clip)
    repairs["joints read"] += int(clip.observed.sum())
    repairs["joints rejected"] += int(rejected.sum())
    repairs["joints interpolated"] += int(filled.sum())
    repairs["frames repaired"] += int((rejected | filled).any(axis=1).sum())
    repairs["rest frames trimmed"] += len(positions) - (stop - start)
    positions, confidence = positions[start:stop], confidence[start:stop]
    if abs(clip.fps - FPS) > 0.01:
        repairs["clips resampled"] += 1
        positions, confidence = resample(positions, confidence, clip.fps)
    if len(positions) < LEAST_FRAMES:
        raise PoseFormatError(f"{place}: {len(positions)} frames at {FPS:g} a second")
    positions = np.where(confidence[..., None] > 0, positions, 0)
    if layout is DWPOSE128:
        positions[..., 2] = confidence
    return PoseClip(positions.astype(np.float32), confidence.astype(np.float32), FPS, layout.name)


def face_the_viewer(
    positions: np.ndarray, confidence: np.ndarray, layout: Layout, repairs: Repairs
) -> tuple[np.ndarray, np.ndarray]:
    """Puts a signer's right shoulder on the left of the picture, where the camera saw it.

    In Progressive Transformers' `.skels` of PHOENIX the right side's joints are on the right and
    the left hand moves more in most clips, of signers who are mostly right-handed: its sides are
    named the other way round. Mixed with other sources they would sign left-handed. Where the
    hands are behind the body the signer was seen from behind and is turned instead. Flat clips are
    as the camera saw them.
    """
    right, left = layout.index("right_shoulder"), layout.index("left_shoulder")
    both = (confidence[:, [right, left]] > 0).all(axis=1)
    if not positions[..., 2].any() or not both.any():
        return positions, confidence
    if np.median(positions[both, right, 0] - positions[both, left, 0]) < 0:
        return positions, confidence
    wrists = [layout.index("right_wrist"), layout.index("left_wrist")]
    seen = confidence[:, wrists] > 0
    depth = positions[:, wrists, 2] - positions[:, [layout.index("neck")], 2]
    if seen.any() and np.median(depth[seen]) > 0:
        repairs["clips turned to the viewer"] += 1
        return positions * np.array([-1.0, 1.0, -1.0]), confidence
    repairs["clips with sides swapped back"] += 1
    other = np.array(layout.mirror)
    return positions[:, other], confidence[:, other]


def outliers(positions: np.ndarray, confidence: np.ndarray, layout: Layout) -> np.ndarray:
    """bool [T, J]: seen joints that cannot be where they are said to be.

    Args:
        positions: [T, J, 3].
        confidence: [T, J], 0 = missing.
        layout: of the joints.
    """
    seen = confidence >= LEAST_CONFIDENCE
    for name in _REACH_OF:
        joints = list(layout.groups[name])
        root, wrist = joints[0], layout.parent[joints[0]]
        far = np.linalg.norm(positions[:, joints] - positions[:, [root]], axis=-1) > REACH
        seen[:, joints] &= ~(far & seen[:, [root]])
        apart = np.linalg.norm(positions[:, root] - positions[:, wrist], axis=-1) > DETACHED
        seen[:, joints] &= ~(apart & seen[:, root] & seen[:, wrist])[:, None]
    limit, base = np.zeros(layout.size), np.arange(layout.size)
    for name, joints in layout.groups.items():
        limit[list(joints)] = JUMP[name]
        if name != "body":
            base[list(joints)] = np.array(layout.parent)[list(joints)]
    whole = _filled_somehow(positions, seen)
    own = base == np.arange(layout.size)
    moving = whole - np.where(own[:, None], 0, whole[:, base])
    half = _WINDOW // 2
    wide = np.pad(moving, [(half, half), (0, 0), (0, 0)], mode="edge")
    median = _median_of_five([wide[i : i + len(moving)] for i in range(_WINDOW)])
    jumps = np.linalg.norm(moving - median, axis=-1) > limit
    return (confidence > 0) & ~(seen & ~jumps)


def _median_of_five(values: list[np.ndarray]) -> np.ndarray:
    """The median of five arrays, element by element, without sorting them all."""
    a, b, c, d, e = values
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))  # neither the least of all ...
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))  # ... nor the greatest
    return np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e))


def _neighbours(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last seen frame up to and the first from each frame, int [T, J]; -1 and T where none."""
    frames = len(seen)
    time = np.arange(frames)[:, None]
    before = np.maximum.accumulate(np.where(seen, time, -1), axis=0)
    after = np.minimum.accumulate(np.where(seen, time, frames)[::-1], axis=0)[::-1]
    return before, after


def _between(values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Linear in time between the frames `before` and `after`, [T, J, 3]."""
    time = np.arange(len(values))[:, None]
    share = ((time - before) / np.maximum(after - before, 1))[..., None]
    first = np.take_along_axis(values, before[..., None], axis=0)
    last = np.take_along_axis(values, after[..., None], axis=0)
    return first * (1 - share) + last * share


def _filled_somehow(positions: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """All joints in all frames: interpolated, held at the ends, 0 where never seen."""
    before, after = _neighbours(seen)
    after = np.where(after == len(seen), before, after)
    before = np.where(before < 0, after, before)
    return np.where((before >= 0)[..., None], _between(positions, before.clip(0), after.clip(0)), 0)


def fill_gaps(
    positions: np.ndarray, confidence: np.ndarray, layout: Layout, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interpolates joints over gaps of at most `MAX_GAP` seconds, parents first.

    A finger is interpolated relative to its wrist where that is known, so that a hand lost for a
    few frames travels with its arm.

    Returns:
        Positions, confidence, and bool [T, J]: what was filled.
    """
    positions, confidence = positions.copy(), confidence.copy()
    parent = np.array(layout.parent)
    filled = np.zeros(confidence.shape, bool)
    level = _depth(layout)
    for depth in range(level.max() + 1):
        joints = np.flatnonzero(level == depth)
        seen = confidence[:, joints] > 0
        before, after = _neighbours(seen)
        gap = ~seen & (before >= 0) & (after < len(seen))
        gap &= after - before - 1 <= round(MAX_GAP * fps)
        if not gap.any():
            continue
        ends = before.clip(0), after.clip(max=len(seen) - 1)
        hung = (confidence[:, parent[joints]] > 0) & (depth > 0)
        hung &= np.take_along_axis(hung, ends[0], 0) & np.take_along_axis(hung, ends[1], 0)
        base = positions[:, parent[joints]]
        relative = _between(positions[:, joints] - base, *ends) + base
        values = np.where(hung[..., None], relative, _between(positions[:, joints], *ends))
        least = np.minimum(*(np.take_along_axis(confidence[:, joints], end, 0) for end in ends))
        positions[:, joints] = np.where(gap[..., None], values, positions[:, joints])
        confidence[:, joints] = np.where(gap, FILLED * least, confidence[:, joints])
        filled[:, joints] = gap
    return positions, confidence, filled


def _depth(layout: Layout) -> np.ndarray:
    level = np.zeros(layout.size, int)
    for _ in range(4):
        level = np.array([0 if p == j else level[p] + 1 for j, p in enumerate(layout.parent)])
    return level


def working_part(
    positions: np.ndarray, confidence: np.ndarray, layout: Layout, fps: float
) -> tuple[int, int]:
    """The first and the end frame of what is left without the rests at both ends.

    A hand rests where its wrist is low and still, or where neither it nor its wrist is seen. A clip
    that only rests is kept, but for frames at its ends that show nobody.
    """
    resting = np.ones(len(positions), bool)
    for side in ("left", "right"):
        wrist = layout.index(f"{side}_wrist")
        hand = layout.groups[f"{side}_hand"][0]
        shown = confidence[:, [wrist, hand]] > 0
        place = np.where(shown[:, :1], positions[:, wrist], positions[:, hand])
        seen = np.any(shown, axis=1)
        place = _filled_somehow(place[:, None], seen[:, None])[:, 0]
        width = max(round(0.2 * fps), 1)
        smooth = np.stack(
            [
                np.convolve(np.pad(x, width, mode="edge"), np.ones(width) / width, "same")
                for x in place.T
            ],
            axis=1,
        )[width:-width]
        speed = np.linalg.norm(np.gradient(smooth, axis=0), axis=-1) * fps if len(place) > 1 else 0
        low = place[:, 1] - positions[:, layout.index("neck"), 1] > LOW
        resting &= ~seen | (low & (speed < STILL))
    busy = np.flatnonzero(~resting)
    there = np.flatnonzero((confidence > 0).any(axis=1))
    start, stop = int(there[0]), int(there[-1]) + 1
    if not len(busy):
        return start, stop
    margin = round(MARGIN * fps)
    return max(int(busy[0]) - margin, start), min(int(busy[-1]) + 1 + margin, stop)


def at_rate(clip: PoseClip, fps: float) -> PoseClip:
    """The clip at `fps` frames per second, as `resample`; itself where that is its rate."""
    if abs(clip.fps - fps) <= 0.01:
        return clip
    positions, confidence = resample(clip.positions, clip.confidence, clip.fps, fps)
    positions = np.where(confidence[..., None] > 0, positions, 0)
    return PoseClip(positions.astype(np.float32), confidence.astype(np.float32), fps, clip.layout)


def resample(
    positions: np.ndarray, confidence: np.ndarray, fps: float, to: float = FPS
) -> tuple[np.ndarray, np.ndarray]:
    """Frames at `fps` -> frames at `to`, linear between two frames that both show a joint.

    A joint that only one of the two shows is taken from it where it is the nearer one, else it is
    missing.
    """
    count = int(np.floor((len(positions) - 1) * to / fps + 1e-6)) + 1
    time = np.arange(count) * fps / to
    first = np.minimum(np.floor(time + 1e-9).astype(int), len(positions) - 1)
    last = np.minimum(first + 1, len(positions) - 1)
    share = np.clip(time - first, 0, 1)[:, None]
    seen = confidence[first] > 0, confidence[last] > 0
    share = np.where(seen[0] & seen[1], share, share > 0.5)  # only one: the nearer frame's
    mixed = positions[first] * (1 - share[..., None]) + positions[last] * share[..., None]
    return mixed, confidence[first] * (1 - share) + confidence[last] * share
