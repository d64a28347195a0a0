"""Cleans a clip before it is lifted: outliers, short gaps, rests at the ends, one frame rate.

Every step counts its changes. Lengths are shoulder widths, times are seconds.
"""

import numpy as np

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, Layout
from signllm_jax.poses.budget import BUDGET, Budget
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import joint_levels
from signllm_jax.poses.frames import Repairs

FPS = 25.0  # frames per second of prepared clips
LEAST_CONFIDENCE = 0.1  # a joint below it was guessed by the detector, not seen
JUMP = {"body": 0.6, "left_hand": 0.35, "right_hand": 0.35, "face": 0.35}
"""Largest distance of a joint from its median over five frames (hands and face relative to their
parent): fast signing moves a wrist by 0.3 in a frame and goes on or comes back in a curve."""
REACH = 1.0  # largest distance of a finger from its wrist; a long hand has 0.7
DETACHED = 0.6  # a hand at this distance from its arm's wrist belongs to another arm
MAX_GAP = 0.4  # seconds that are interpolated; longer gaps stay missing
FILLED = 0.5  # confidence of an interpolated joint, as a part of its neighbors' lower confidence
LOW = 1.1  # wrists so far below the neck are in the lap or hang
STILL = 0.5  # widths per second; hands that rest move less
MARGIN = 0.2  # seconds of a rest that are kept, so that the first movement has a start
LEAST_FRAMES = 2  # fewer frames have no movement


def clean(
    clip: PoseClip, repairs: Repairs | None = None, source: str = "clip", budget: Budget = BUDGET
) -> PoseClip:
    """Rejects, fills, trims and resamples a clip, after the reader and before the lift.

    Args:
        clip: a clip of any layout, flat or not.
        repairs: `joints rejected`, `joints interpolated`, `frames repaired` (with a rejected or
            interpolated joint), `rest frames trimmed` and `clips resampled` are added to it, and
            the totals `joints read` and `frames read`.
        source: name of the file, for error messages.
        budget: limits of a clip, asked before a clip of a low rate is resampled to many frames.

    Returns:
        The clip at `FPS`; gaps longer than `MAX_GAP` seconds are still missing.

    Raises:
        PoseFormatError: no joint is left, fewer than two frames, or a clip that lasts too long.
    """
    repairs = Repairs() if repairs is None else repairs
    budget.ask(source, clip.fps, frames=len(clip))
    layout = clip.skeleton
    positions = clip.positions.astype(np.float64)
    if layout is DWPOSE128:
        positions[..., 2] = 0  # the third number of this layout is the confidence
    positions, confidence = face_the_viewer(positions, clip.confidence, layout, repairs)
    rejected = outliers(positions, confidence, layout)
    confidence = np.where(rejected, 0, confidence).astype(np.float64)
    if not confidence.any():
        raise PoseFormatError(f"{source}: no joint is seen well enough")
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
        raise PoseFormatError(f"{source}: {len(positions)} frames at {FPS:g} a second")
    positions = np.where(confidence[..., None] > 0, positions, 0)
    if layout is DWPOSE128:
        positions[..., 2] = confidence
    return PoseClip(positions.astype(np.float32), confidence.astype(np.float32), FPS, layout.name)


def face_the_viewer(
    positions: np.ndarray, confidence: np.ndarray, layout: Layout, repairs: Repairs
) -> tuple[np.ndarray, np.ndarray]:
    """Puts a signer's right shoulder on the left of the picture, where the camera saw it.

    In Progressive Transformers' `.skels` of PHOENIX the right side's joints are on the right, and
    in most clips the left hand moves more, although most signers are right-handed: left and right
    are swapped. Mixed with other sources they would sign left-handed. Where the hands are behind
    the body the signer was seen from behind and is turned instead. Flat clips stay as they are.
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
    mirror = np.array(layout.mirror)
    return positions[:, mirror], confidence[:, mirror]


def outliers(positions: np.ndarray, confidence: np.ndarray, layout: Layout) -> np.ndarray:
    """bool [T, J]: seen joints at impossible positions.

    Args:
        positions: [T, J, 3].
        confidence: [T, J], 0 = missing.
        layout: layout of the joints.
    """
    seen = confidence >= LEAST_CONFIDENCE
    for name in ("left_hand", "right_hand"):
        joints = list(layout.groups[name])
        root, wrist = joints[0], layout.parent[joints[0]]
        far = np.linalg.norm(positions[:, joints] - positions[:, [root]], axis=-1) > REACH
        seen[:, joints] &= ~(far & seen[:, [root]])
        apart = np.linalg.norm(positions[:, root] - positions[:, wrist], axis=-1) > DETACHED
        seen[:, joints] &= ~(apart & seen[:, root] & seen[:, wrist])[:, None]
    whole = _filled_somehow(positions, seen)
    limit, moving = np.zeros(layout.size), whole.copy()
    for name, group in layout.groups.items():
        joints = list(group)
        limit[joints] = JUMP[name]
        if name != "body":
            moving[:, joints] -= whole[:, np.array(layout.parent)[joints]]
    wide = np.pad(moving, [(2, 2), (0, 0), (0, 0)], mode="edge")
    median = _median_of_five(*(wide[i : i + len(moving)] for i in range(5)))
    jumps = np.linalg.norm(moving - median, axis=-1) > limit
    return (confidence > 0) & ~(seen & ~jumps)


def _median_of_five(a, b, c, d, e) -> np.ndarray:
    """The median of five arrays, element by element, without sorting them all."""
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))  # neither the least of all ...
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))  # ... nor the greatest
    return np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e))


def _neighbors(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last seen frame up to each frame and the first from it on, int [T, J]; else -1 and T."""
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
    before, after = _neighbors(seen)
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
        Positions, confidence, and a mask of the filled joints, bool [T, J].
    """
    positions, confidence = positions.copy(), confidence.copy()
    filled = np.zeros(confidence.shape, bool)
    for depth, (joints, parents) in enumerate(joint_levels(layout.name)):
        seen = confidence[:, joints] > 0
        before, after = _neighbors(seen)
        gap = ~seen & (before >= 0) & (after < len(seen))
        gap &= after - before - 1 <= round(MAX_GAP * fps)
        if not gap.any():
            continue
        ends = before.clip(0), after.clip(max=len(seen) - 1)
        known = (confidence[:, parents] > 0) & (depth > 0)
        known &= np.take_along_axis(known, ends[0], 0) & np.take_along_axis(known, ends[1], 0)
        base = positions[:, parents]
        relative = _between(positions[:, joints] - base, *ends) + base
        values = np.where(known[..., None], relative, _between(positions[:, joints], *ends))
        least = np.minimum(*(np.take_along_axis(confidence[:, joints], end, 0) for end in ends))
        positions[:, joints] = np.where(gap[..., None], values, positions[:, joints])
        confidence[:, joints] = np.where(gap, FILLED * least, confidence[:, joints])
        filled[:, joints] = gap
    return positions, confidence, filled


def working_part(
    positions: np.ndarray, confidence: np.ndarray, layout: Layout, fps: float
) -> tuple[int, int]:
    """The first frame and the end of a clip without the rests at both ends.

    A hand rests where its wrist is low and still, or where neither it nor its wrist is seen. A clip
    that only rests is kept, except frames at its ends that show nobody.
    """
    resting = np.ones(len(positions), bool)
    for side in ("left", "right"):
        wrist = layout.index(f"{side}_wrist")
        hand = layout.groups[f"{side}_hand"][0]
        shown = confidence[:, [wrist, hand]] > 0
        position = np.where(shown[:, :1], positions[:, wrist], positions[:, hand])
        seen = np.any(shown, axis=1)
        position = _filled_somehow(position[:, None], seen[:, None])[:, 0]
        width = max(round(0.2 * fps), 1)
        wide = np.pad(position, [(width, width), (0, 0)], mode="edge")
        weights = np.ones(width) / width
        smooth = [np.convolve(axis, weights, "same")[width:-width] for axis in wide.T]
        velocity = np.gradient(smooth, axis=1) if len(position) > 1 else np.zeros((3, 1))
        speed = np.linalg.norm(velocity, axis=0) * fps
        low = position[:, 1] - positions[:, layout.index("neck"), 1] > LOW
        resting &= ~seen | (low & (speed < STILL))
    busy = np.flatnonzero(~resting)
    seen = np.flatnonzero((confidence > 0).any(axis=1))
    start, stop = int(seen[0]), int(seen[-1]) + 1
    if not len(busy):
        return start, stop
    margin = round(MARGIN * fps)
    return max(int(busy[0]) - margin, start), min(int(busy[-1]) + 1 + margin, stop)


def at_rate(clip: PoseClip, fps: float) -> PoseClip:
    """The clip at `fps` frames per second, as in `resample`; the clip itself at that rate."""
    if abs(clip.fps - fps) <= 0.01:
        return clip
    positions, confidence = resample(clip.positions, clip.confidence, clip.fps, fps)
    positions = np.where(confidence[..., None] > 0, positions, 0)
    return PoseClip(positions.astype(np.float32), confidence.astype(np.float32), fps, clip.layout)


def resample(
    positions: np.ndarray, confidence: np.ndarray, fps: float, to: float = FPS
) -> tuple[np.ndarray, np.ndarray]:
    """Frames at `fps` -> frames at `to`, linear between two frames that both show a joint.

    A joint that only one of the two frames shows is taken from it where this frame is the nearer
    one, else it is missing.
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
