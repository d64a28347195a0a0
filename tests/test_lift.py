"""The lift: the original's numbers stage by stage, and what the default does better."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from signllm_jax.core.errors import ConfigError, PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, DWPOSE_TO_OPENPOSE50
from signllm_jax.poses import lift, lift_best, lift_reference, tree
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.lift import lift_clip, lift_keypoints, padded_length, reference_stages
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.poses.tree import Pose

CLIPS = (
    pytest.param("_2FBDaOPYig_2-5-rgb_front", marks=pytest.mark.slow),  # each needs a compilation
    pytest.param("_2FBDaOPYig_3-3-rgb_front", marks=pytest.mark.slow),
    "_2FBDaOPYig_4-3-rgb_front",
    "synth_missing-rgb_front",
)
refine = jax.jit(lift_reference.refine)
FINGERS = [1, 5, 9, 13, 17] + [1 + 4 * f + k for f in range(5) for k in (1, 2, 3)]


def bone_order():
    """The joints in the order in which the original stores its bones."""
    hands = [[root] + [root + joint for joint in FINGERS] for root in (8, 29)]
    return np.array([1, 2, 3, 4, 5, 6, 7] + hands[0] + hands[1])


@functools.cache
def load(folder, name):
    with np.load(folder / "how2sign" / "lift_reference" / f"{name}.npz") as archive:
        return dict(archive)


@functools.cache
def lifted(folder, name):
    return reference_stages(load(folder, name)["raw"].reshape(-1, 50, 3))


def tree_of(reference, stage):
    parts = []
    for axis in "xyz":
        part = np.zeros((50, len(reference["raw"])), np.float32)
        part[bone_order()] = reference[f"{stage}_ang{axis}"].T
        part[0] = reference[f"{stage}_root{axis}"][:, 0]
        parts.append(part)
    return Pose(*parts, reference[f"{stage}_lines"])


def apart(ours, theirs):
    return np.abs(np.asarray(ours).T - theirs).max()


def made_keypoints(frames=40, seed=0):
    """A signer of our own making: pixels and confidence [T, 50, 3]."""
    rng = np.random.default_rng(seed)
    lengths = lift_best.USUAL_LENGTHS[tree.LENGTH_OF] * 200
    angle = np.deg2rad(np.array([90, 180, 100, 45, 0, 80, 130] + [200 + 8 * j for j in range(42)]))
    # a smooth swing for each bone about its rest direction
    swing = 0.4 * np.sin(np.linspace(0, 6, frames)[:, None] + rng.uniform(0, 6, 49))
    swing[:, [0, 1, 4]] *= 0.1
    points = np.zeros((frames, 50, 3), np.float32)
    points[:, 0, :2] = 640, 200
    for joint in range(1, 50):
        turn = angle[joint - 1] + swing[:, joint - 1]
        step = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * lengths[joint]
        shortened = 0.75 + 0.25 * np.cos(swing[:, joint - 1 : joint] * 4)
        points[:, joint, :2] = points[:, tree.PARENT[joint], :2] + step * shortened
    points[:, :, 2] = rng.uniform(0.5, 1, (frames, 50))
    return points


def missing(points, frames, joints):
    points = points.copy()
    points[np.ix_(frames, joints)] = 0
    return points


@pytest.mark.parametrize("name", CLIPS)
def test_the_reference_normalises_prunes_and_fills_like_the_original(shared_data, name):
    reference, ours = load(shared_data, name), lifted(shared_data, name)
    for stage, theirs in (("normalized", "norm"), ("pruned", "prune"), ("filled", "interp")):
        for axis, letter in enumerate("xyw"):
            assert apart(ours[stage][axis], reference[f"{theirs}_{letter}"]) <= 3e-6


@pytest.mark.parametrize("name", CLIPS)
def test_refining_from_the_originals_start_ends_where_it_ended(shared_data, name):
    reference = load(shared_data, name)
    frames = len(reference["raw"])
    padding = [(0, 0), (0, padded_length(frames) - frames)]
    first = tree_of(reference, "init")
    first = Pose(*(np.pad(part, padding) for part in first[:3]), first.log_lengths)
    seen = [np.pad(reference[f"interp_{letter}"].T, padding) for letter in "xyw"]
    final = refine(first, *seen, frames)
    for part, axis in zip(tree.joint_positions(final), "xyz"):
        assert apart(part[:, :frames], reference[f"final_{axis}"]) <= 5e-6


@pytest.mark.parametrize("name", CLIPS)
def test_the_whole_reference_pipeline_follows_the_original(shared_data, name):
    reference, ours = load(shared_data, name), lifted(shared_data, name)
    for axis, letter in enumerate("xyz"):
        bound = 5e-3 if letter == "z" else 1e-4
        assert apart(ours["position"][axis], reference[f"final_{letter}"]) <= bound
        start = tree.joint_positions(ours["start"])[axis]
        assert apart(start, reference[f"init_{letter}"]) <= bound
    for stage, step in (("start_objective", 0), ("final_objective", -1)):
        assert ours[stage] == pytest.approx(reference["curve_objective"][step], rel=1e-4)


@pytest.mark.parametrize("name", CLIPS)
def test_the_default_reaches_nine_tenths_of_the_objective_with_hands_in_depth(shared_data, name):
    reference = load(shared_data, name)
    raw = reference["raw"].reshape(-1, 50, 3)
    frames = len(raw)
    flat = to_shoulder_widths(raw[:, :, :2], raw[:, :, 2], "openpose50", name)
    seen = np.concatenate([flat, np.clip(raw[:, :, 2:], 0, 1)], axis=-1)
    filled, first = lift_best.prepare(lift._joint_major(seen), frames)
    position, final = lift._refine(lift_best, first, filled, frames)
    lengths = np.exp(final.log_lengths)
    # into the original's units: an affine map, found on the joints that are seen
    there = raw[:, :, 2] > 0
    scale, shift_x = np.polyfit(flat[..., 0][there], reference["norm_x"][there], 1)
    shift_y = np.mean(reference["norm_y"][there] - scale * flat[..., 1][there])
    position = position * scale + np.array([shift_x, shift_y, 0])[:, None, None]
    x, y, weight = (reference[f"interp_{letter}"].T for letter in "xyw")
    fit = np.sum(weight * ((position[0] - x) ** 2 + (position[1] - y) ** 2)) / (frames * 50)
    travel = np.sum(np.diff(position, axis=2) ** 2) / ((frames - 1) * 50)
    objective = fit + 0.001 * scale * lengths.sum() + 0.1 * travel
    assert objective <= 0.9 * reference["curve_objective"][-1]

    def planar(depth, lengths):
        lean = np.abs(depth - depth[tree.PARENT]) / lengths[tree.LENGTH_OF][:, None]
        return np.mean(lean[8:] < 0.02)

    def wrist_motion(depth):
        return np.abs(np.diff(depth[[4, 7]])).mean() / scale

    before = reference["final_z"].T
    assert planar(before, np.exp(reference["final_lines"])) > 0.6
    assert planar(position[2], lengths * scale) < 0.05
    assert wrist_motion(position[2]) < 0.25 * wrist_motion(before)


@pytest.mark.parametrize("depth_weight", [lift_reference.MOTION_WEIGHT, lift_best.DEPTH_WEIGHT])
def test_the_written_out_gradient_is_the_derived_one(depth_weight):
    stages = reference_stages(made_keypoints(30))
    arguments = (*stages["filled"], 30, depth_weight)
    pose = Pose(*map(jnp.asarray, stages["start"]))
    slope = jax.jit(jax.grad(lift_reference.objective))(pose, *arguments)
    ours = lift_reference.make_gradient(*arguments)(pose)
    for written, derived in zip(ours, slope):
        np.testing.assert_allclose(written, derived, atol=2e-6)


def test_filling_grows_its_window_like_the_originals_loop():
    rng = np.random.default_rng(1)
    frames, size = 17, 24
    x, y = rng.normal(size=(2, 50, frames)).astype(np.float32)
    weight = np.where(rng.random((50, frames)) < 0.5, 0, rng.random((50, frames)) * 1.2)
    weight[3] = 0
    weight = weight.astype(np.float32)
    expected = np.zeros((2, 50, frames))
    for joint, time in np.ndindex(50, frames):
        reach = 0
        while True:
            window = slice(max(time - reach, 0), time + reach + 1)
            total = weight[joint, window].sum()
            if total >= 0.99 or reach >= frames:
                break
            reach += 1
        for axis, part in enumerate((x, y)):
            value = (weight * part)[joint, window].sum() / (total if total > 0 else 1e-10)
            expected[axis, joint, time] = value
    padding = [(0, 0), (0, size - frames)]
    filled = lift_reference.interpolate(*(np.pad(a, padding) for a in (x, y, weight)), frames)
    for ours, theirs in zip(filled, expected):
        np.testing.assert_allclose(ours[:, :frames], theirs, atol=2e-6)


def test_filling_a_very_long_clip_does_not_cost_the_square_of_its_length(monkeypatch):
    monkeypatch.setattr(lift_reference, "LONG", 8)
    monkeypatch.setattr(lift_reference, "WIDEST", 3)
    x, weight = np.zeros((3, 12), np.float32), np.zeros((3, 12), np.float32)
    x[0, [0, 11]], weight[0, [0, 11]] = (4, 8), 1  # beyond three frames from both: all count
    x[1, 4], weight[1, 4] = 5, 0.5  # never enough
    filled, _ = lift_reference.interpolate(x, x, weight, 12)
    np.testing.assert_allclose(filled[0], [4] * 3 + [6] * 6 + [8] * 3)
    np.testing.assert_allclose(filled[1], [5] * 12)
    np.testing.assert_allclose(filled[2], [0] * 12)


@pytest.mark.parametrize("mode", lift.MODES)
def test_a_lifted_clip_overlays_its_picture_and_keeps_its_missing_frames(mode):
    points = missing(made_keypoints(50), [10, 11], range(50))
    points = missing(points, range(20, 30), range(8, 29))
    clip = lift_keypoints(points, 24.0, mode)
    assert len(clip) == 50 and clip.fps == 24.0
    assert (clip.observed == (points[:, :, 2] > 0)).all()
    assert not clip.positions[~clip.observed].any()
    flat = to_shoulder_widths(points[:, :, :2], points[:, :, 2], "openpose50", "test")
    error = np.linalg.norm(clip.positions[..., :2] - flat, axis=-1)[clip.observed]
    assert np.median(error) < 0.1
    assert clip.positions[:, 1, 2].mean() == pytest.approx(0, abs=0.05)
    # arms and hands are in front of the body: z points away from the camera
    wrists = clip.positions[:, [4, 7], 2][clip.observed[:, [4, 7]]]
    assert (wrists < 0).mean() > 0.95


def test_the_unit_and_place_of_the_picture_do_not_matter_to_the_default():
    points = made_keypoints(20)
    moved = points * np.array([0.01, 0.01, 1], np.float32) + np.array([3, -1, 0], np.float32)
    first, second = lift_keypoints(points, 25), lift_keypoints(moved, 25)
    np.testing.assert_allclose(first.positions, second.positions, atol=2e-3)


def test_clips_of_many_lengths_share_few_compilations():
    lengths = {padded_length(frames) for frames in range(1, 1025)}
    assert len(lengths) == 17
    assert all(padded_length(n) >= n and padded_length(n) <= max(64, 1.25 * n) for n in lengths)
    lift_best.refined.clear_cache()
    for frames in (1, 2, 30, 47, 64):
        lift_keypoints(made_keypoints(frames), 25)
    assert lift_best.refined._cache_size() == 1


@pytest.mark.slow  # compiles everything at another length
def test_padding_leaves_a_clip_as_it_is(monkeypatch):
    points = made_keypoints(30)
    short = {mode: lift_keypoints(points, 25, mode).positions for mode in lift.MODES}
    monkeypatch.setattr(lift, "LEAST_FRAMES", 80)
    monkeypatch.setattr(lift, "LEAST_PREPARED", 320)
    for mode in lift.MODES:
        longer = lift_keypoints(points, 25, mode).positions
        np.testing.assert_allclose(longer, short[mode], atol=2e-4)


def test_a_dwpose_clip_lifts_by_its_body_and_hands():
    points = made_keypoints(12)
    flat = to_shoulder_widths(points[:, :, :2], points[:, :, 2], "openpose50", "test")
    positions = np.zeros((12, DWPOSE128.size, 3), np.float32)
    order = list(DWPOSE_TO_OPENPOSE50)
    positions[:, order, :2], positions[:, order, 2] = flat, points[:, :, 2]
    clip = lift_clip(PoseClip(positions, positions[:, :, 2].copy(), 24, "dwpose128"))
    direct = lift_keypoints(points, 24)
    np.testing.assert_allclose(clip.positions, direct.positions, atol=1e-3)


def test_bones_that_are_never_seen_get_their_usual_length():
    points = missing(made_keypoints(20), range(20), range(8, 50))
    flat = to_shoulder_widths(points[:, :, :2], points[:, :, 2], "openpose50", "test")
    x, y, weight = lift._joint_major(np.concatenate([flat, points[:, :, 2:]], axis=-1))
    lengths = np.asarray(jax.jit(lift_best.bone_lengths)(x, y, weight))
    np.testing.assert_array_equal(lengths[4:], lift_best.USUAL_LENGTHS[4:])
    assert (np.abs(np.log(lengths / lift_best.USUAL_LENGTHS)) <= np.log(1.5) + 1e-6).all()


def test_what_cannot_be_lifted_is_refused_in_a_line():
    points = made_keypoints(5)
    with pytest.raises(ConfigError, match="unknown lift mode 'fast'"):
        lift_keypoints(points, 25, "fast")
    with pytest.raises(PoseFormatError, match="must be"):
        lift_keypoints(points[:, :49], 25)
    with pytest.raises(PoseFormatError, match="finite"):
        lift_keypoints(np.where(points > 700, np.nan, points), 25)
    for mode in lift.MODES:
        with pytest.raises(PoseFormatError, match=r"a\.json: no frame shows"):
            lift_keypoints(np.zeros_like(points), 25, mode, "a.json")
