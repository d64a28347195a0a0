import dataclasses
import re

import jax
import numpy as np
import pytest
from real_clips import letters, phoenix, real_takes
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from test_dtw import slow_dtw

from signllm_jax.core import skeleton
from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora import fingerspelling
from signllm_jax.eval import judge
from signllm_jax.eval.warnings import motion
from signllm_jax.metrics import motion as pose_motion
from signllm_jax.metrics.frechet import frechet_distance, frechet_pose_distance
from signllm_jax.metrics.pairs import (
    held,
    mean_pose,
    pad_pairs,
    score_clips,
    score_pairs,
    summarize,
)
from signllm_jax.poses.clip import PoseClip

MOTION = ("dtw", "hand_travel", "jerk", "duration", "joints")
HANDS = (OPENPOSE50.groups["left_hand"], OPENPOSE50.groups["right_hand"])


def cut(clip, frames):
    return dataclasses.replace(
        clip, positions=clip.positions[frames], confidence=clip.confidence[frames]
    )


def moved(clip, change):
    return dataclasses.replace(clip, positions=(clip.positions + change).astype(np.float32))


@pytest.fixture(scope="module")
def scores():
    """Fingerspelled letters against each other: different lengths, a hand missing."""
    clips = letters()
    assert len({len(clip) for clip in clips}) > 1
    assert not all(clip.observed.all() for clip in clips)
    return score_clips(clips, clips[1:] + clips[:1])


@pytest.fixture(scope="module")
def pair_clips():
    """The same pairs unpadded, float64: reference, observed, produced."""
    clips = letters()
    return [
        (a.positions.astype(float), a.observed, b.positions.astype(float))
        for a, b in zip(clips, clips[1:] + clips[:1], strict=True)
    ]


@pytest.fixture(scope="module")
def resampled(pair_clips):
    """(reference, observed, production interpolated to the reference's length) of each pair."""
    rows = []
    for reference, observed, produced in pair_clips:
        time = np.linspace(0, len(produced) - 1, len(reference))
        flat = produced.reshape(len(produced), -1)
        columns = [np.interp(time, np.arange(len(flat)), column) for column in flat.T]
        rows.append((reference, observed, np.stack(columns, 1).reshape(-1, 50, 3)))
    return rows


def test_progressive_dtw_equals_scipy_and_the_textbook_recursion(scores, pair_clips):
    expected = []
    for reference, observed, produced in pair_clips:
        joints = range(50)
        cost = sum(
            cdist(reference[:, j], produced[:, j], "cityblock") * observed[:, j, None]
            for j in joints
        )
        expected.append(slow_dtw(cost)[0] / len(reference))
    np.testing.assert_allclose(scores["progressive_dtw"], expected, rtol=1e-5)


def test_dtw_mje_averages_joint_errors_along_the_path_of_whole_poses(scores, pair_clips):
    expected = []
    for reference, observed, produced in pair_clips:
        squared = error = 0
        for j in range(50):
            distance = cdist(reference[:, j], produced[:, j]) * observed[:, j, None]
            squared, error = squared + distance**2, error + distance
        error = error / observed.sum(1)[:, None]
        _, length, total = slow_dtw(np.sqrt(squared), error)
        expected.append((total / length, length))
    ours = np.stack([scores["dtw_mje"], scores["dtw_mje_pairs"]], 1)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_ndtw_mje_warps_every_joint_and_charges_for_missing_ones():
    clips = [cut(clip, slice(0, 12)) for clip in letters()[:2]]
    made = clips[1].confidence.copy()
    made[:6, 5] = 0
    clips[1] = dataclasses.replace(clips[1], confidence=made)
    a, b = (clip.positions.astype(float) for clip in clips)
    total = 0.0
    for j in range(50):
        cost = np.zeros((len(a), len(b)))
        for s in range(len(a)):
            for t in range(len(b)):
                if clips[0].observed[s, j]:
                    there = clips[1].observed[t, j]
                    apart = np.linalg.norm(a[s, j] - b[t, j])
                    cost[s, t] = apart if there else np.linalg.norm(a[s, j]) / 2
        total += slow_dtw(cost)[0]
    assert not clips[0].observed.all()
    assert score_clips(clips[:1], clips[1:])["ndtw_mje"][0] == pytest.approx(total / 50, abs=1e-4)


def test_mean_joint_velocity_and_acceleration_errors_equal_numpy(scores, resampled):
    for order, name in enumerate(("mje", "velocity_error", "acceleration_error")):
        expected = []
        for reference, observed, produced in resampled:
            error = np.linalg.norm(np.diff(reference - produced, order, axis=0), axis=-1)
            mask = np.lib.stride_tricks.sliding_window_view(observed, order + 1, 0).all(-1)
            expected.append(error[mask].mean())
        np.testing.assert_allclose(scores[name], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "groups"), [("body", (OPENPOSE50.groups["body"],)), ("hands", HANDS)]
)
def test_pa_mpjpe_equals_scipys_best_rotation(scores, resampled, name, groups):
    expected = []
    for reference, observed, produced in resampled:
        errors = []
        for t in range(len(reference)):
            for group in groups:
                joints = [j for j in group if observed[t, j]]
                if len(joints) < 3:
                    continue
                x, y = reference[t, joints], produced[t, joints]
                x, y = x - x.mean(0), y - y.mean(0)
                if not y.any():  # a hand that the production lacks
                    errors += list(np.linalg.norm(x, axis=-1))
                    continue
                turned = Rotation.align_vectors(x, y)[0].apply(y)
                scale = (turned * x).sum() / (turned * turned).sum()
                errors += list(np.linalg.norm(x - scale * turned, axis=-1))
        expected.append(np.mean(errors))
    np.testing.assert_allclose(scores[f"pa_mpjpe_{name}"], expected, atol=1e-4)


def test_pa_mpjpe_forgives_a_similarity_but_not_a_reflection():
    clip = letters()[0]
    bulge = np.stack([0 * clip.positions[..., 0], *2 * [clip.positions[..., :2].prod(-1)]], -1)
    clip = moved(clip, bulge)  # these corpora are nearly flat, and a flat hand has no mirror image
    turn = Rotation.from_euler("xyz", [0.3, 0.5, -0.4]).as_matrix().astype(np.float32)
    similar = dataclasses.replace(clip, positions=1.7 * clip.positions @ turn + np.float32(0.4))
    mirrored = dataclasses.replace(clip, positions=clip.positions * np.float32([-1, 1, 1]))
    scores = score_clips([clip, clip], [similar, mirrored])
    assert scores["pa_mpjpe_hands"][0] < 1e-4 < 1e-2 < scores["pa_mpjpe_hands"][1]
    assert scores["mje"][0] > 0.3


def test_all_metrics_have_one_decomposition_since_two_can_wait_for_each_other():
    pairs = pad_pairs(letters()[:1], letters()[:1])
    program = score_pairs.lower(pairs, "openpose50").as_text()
    assert len(re.findall(r"custom_call @lapack_sgesdd", program)) == 1


def test_frechet_distance_equals_scipys_matrix_root():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(300, 6)), random.normal(size=(200, 6)) @ random.normal(size=(6, 6))
    s, t = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_pose_distance_sees_motion_that_a_mean_pose_lacks():
    clips, others = letters(), letters("gsg")
    still = [held(mean_pose(clips), clip) for clip in clips]
    frozen = [cut(clip, np.zeros(len(clip), int)) for clip in clips]
    assert frechet_pose_distance(clips, clips) < 1e-6
    assert frechet_pose_distance(clips, others) < frechet_pose_distance(clips, still)
    assert frechet_pose_distance(clips, frozen) > 0.1


def test_hand_travel_counts_fingers_and_only_joints_that_were_seen():
    positions = np.zeros((1, 4, 50, 3), np.float32)
    observed = np.ones((1, 4, 50), bool)
    positions[0, :, HANDS[0], 0] = np.arange(4)  # the left hand goes 3 shoulder widths
    positions[0, 1, HANDS[1], 1] = 100.0  # the right hand jumps where it was not seen
    observed[0, 1, HANDS[1]] = False
    three = pose_motion.travel(positions, observed, np.array([4]), HANDS)
    np.testing.assert_allclose(three, [[3, 0]])
    two = pose_motion.travel(positions, observed, np.array([3]), HANDS)
    np.testing.assert_allclose(two, [[2, 0]])


def test_hand_travel_ratio_ignores_tempo_and_what_the_production_does_with_an_unseen_hand():
    clips = letters()
    slower = [cut(clip, np.repeat(np.arange(len(clip)), 2)) for clip in clips]
    unseen = [moved(clip, np.where(clip.observed[..., None], 0, 5)) for clip in clips]
    noise = np.random.default_rng(0)
    shaken = [
        moved(clip, np.where(clip.observed[..., None], 0, noise.normal(size=clip.positions.shape)))
        for clip in clips
    ]
    assert any((~clip.observed).all(0).any() for clip in clips)
    for made, tolerance in ((clips, 1e-6), (unseen, 1e-6), (shaken, 1e-6), (slower, 0.02)):
        ratio = summarize(score_clips(clips, made))["hand_travel_ratio"]
        assert ratio == pytest.approx(1, abs=tolerance)
    assert summarize(score_clips(clips, slower))["duration_ratio"] == pytest.approx(2)


def losing(clip, group, frames):
    """The clip whose joints of a group are missing in the given frames, as a tracker loses them."""
    joints = list(clip.skeleton.groups[group])
    positions, confidence = clip.positions.copy(), clip.confidence.copy()
    positions[frames, joints[0] : joints[-1] + 1] = 0
    confidence[frames, joints[0] : joints[-1] + 1] = 0
    return dataclasses.replace(clip, positions=positions, confidence=confidence)


def test_a_lost_hand_is_no_distance_and_no_travel_and_is_counted():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    lost = losing(clip, "right_hand", slice(30, 60))
    expected = 30 * 21 / clip.observed.sum()
    same, other = (
        summarize(score_clips([a], [b], MOTION)) for a, b in ((clip, lost), (lost, clip))
    )
    assert same["dtw"] == other["dtw"] == 0
    assert same["joints_missing"] == pytest.approx(expected) and same["joints_added"] == 0
    assert other["joints_added"] > 0 and other["joints_missing"] == 0
    for figures in (same, other):
        assert figures["hand_travel_ratio"] == figures["jerk_ratio"] == 1
        assert not motion(figures)


def test_nothing_is_won_by_showing_nothing():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    blank = PoseClip(0 * clip.positions, 0 * clip.confidence, clip.fps)
    hidden = losing(clip, "right_hand", slice(None))
    nothing, handless = (summarize(score_clips([clip], [made], MOTION)) for made in (blank, hidden))
    assert nothing["dtw"] > 0.3 and nothing["joints_missing"] == 1
    assert handless["dtw"] == 0 and handless["joints_missing"] > 0.7
    assert "missing" in motion(handless) and "missing" in motion(nothing)


def test_jerk_sees_jitter_and_no_tempo():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    noise = np.random.default_rng(0).normal(0, 0.02, clip.positions.shape)
    shaken = summarize(score_clips([clip], [moved(clip, noise)], MOTION))
    assert shaken["jerk_ratio"] > pose_motion.JERKY
    assert "jerk" in motion(shaken)
    doubled = dataclasses.replace(clip, fps=2 * clip.fps)
    assert summarize(score_clips([clip], [doubled], MOTION))["jerk_ratio"] == pytest.approx(8)


def test_a_hand_that_goes_too_far_and_a_clip_that_lasts_too_long_are_warned_of():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    centre = clip.positions.mean(0)
    wild = dataclasses.replace(clip, positions=centre + 3 * (clip.positions - centre))
    slow = cut(clip, np.repeat(np.arange(len(clip)), 2))
    said = motion(summarize(score_clips([clip, clip], [wild, slow], MOTION)))
    assert said.keys() >= {"travel", "duration"}
    assert "2.0 times as far" in said["travel"] and "1.50 times as long" in said["duration"]


def test_real_takes_against_real_takes_raise_no_warning(shared_data):
    """Of one session and of two: hands drop out in many of them."""
    takes = real_takes(shared_data)
    pairs = [(a, b) for own in takes.values() for a, b in zip(own[0], own[1])]
    within = [(a, b) for own in takes.values() for session in own for a, b in [session[:2]]]
    for some in (pairs, [(b, a) for a, b in pairs], within):
        figures = summarize(score_clips(*zip(*some), MOTION))
        assert figures["joints_missing"] > 0.01
        assert motion(figures) == {}
        assert figures["hand_travel_ratio"] == pytest.approx(1, abs=0.15)


def test_the_judge_prefers_a_real_take_to_the_mean_pose_that_is_nearer(shared_data):
    """A distance alone would keep a model that averages its signers away."""
    takes = real_takes(shared_data)
    references = [clip for own in takes.values() for clip in own[0]]
    others = [clip for own in takes.values() for clip in own[1]]
    still = [held(mean_pose(own[0] + own[1]), clip) for own in takes.values() for clip in own[0]]
    assert judge.has_takes([text for text, own in takes.items() for _ in own[0]])

    def scored(made):
        figures = summarize(score_clips(references, made, ("dtw", "hand_travel", "joints")))
        figures["dtw_mean_pose_ratio"] = figures["dtw"] / distance
        figures["frechet_mean_pose_ratio"] = judge.frechet_ratio(references, made, still)
        return figures

    distance = float(np.nanmean(score_clips(references, still, ("dtw",))["dtw"]))
    real, pose = scored(others), scored(still)
    assert pose["dtw"] < real["dtw"]
    assert judge.score(real) < 0.75 < 1.5 < judge.score(pose)


def test_without_takes_the_judge_still_prefers_what_moves():
    moves = {"dtw_mean_pose_ratio": 1.2, "hand_travel_ratio": 0.9, "joints_missing": 0.1}
    pose = {"dtw_mean_pose_ratio": 1.0, "hand_travel_ratio": 0.0, "joints_missing": 0.0}
    hidden = {"dtw_mean_pose_ratio": 0.3, "joints_missing": 0.8}
    good = {"dtw_mean_pose_ratio": 0.1, "hand_travel_ratio": 1.0}
    ordered = [judge.score(x) for x in (good, moves, pose, hidden)]
    assert ordered == sorted(ordered) and len(set(ordered)) == 4
    assert not judge.has_takes(["a", "b", "c", "c"]) and judge.has_takes(["a", "a", "b", "b", "b"])
    assert judge.score({}) == judge.score({"dtw_mean_pose_ratio": float("nan")}) == judge.WORST
    assert judge.score(good | {"cer": 0.5}) == pytest.approx(judge.score(good) + 0.5)


def test_durations_are_compared_in_seconds():
    clips = letters()
    twice = [dataclasses.replace(clip, fps=2 * clip.fps) for clip in clips]
    assert summarize(score_clips(clips, twice))["duration_ratio"] == pytest.approx(0.5)


def test_a_mean_pose_is_called_a_collapse_although_its_dtw_beats_another_sentence(shared_data):
    clips = [cut(clip, slice(0, 60)) for clip in phoenix(shared_data)]
    mean = mean_pose(phoenix(shared_data, "train"))
    still = summarize(score_clips(clips, [held(mean, clip) for clip in clips]))
    other = summarize(score_clips(clips, clips[1:] + clips[:1]))
    assert still["dtw"] < other["dtw"]
    assert still["dtw_mje"] < other["dtw_mje"]
    assert (still["collapse"], other["collapse"]) == (True, False)
    assert still["hand_travel_ratio"] == 0
    assert still["wrist_travel_ratio"] == 0


def test_every_error_is_zero_for_itself_and_grows_with_noise(shared_data):
    clips = [cut(clip, slice(0, 60)) for clip in phoenix(shared_data)]
    random = np.random.default_rng(0)

    def noised(size):
        changes = [random.normal(0, size, clip.positions.shape) for clip in clips]
        return summarize(score_clips(clips, list(map(moved, clips, changes))))

    table = [summarize(score_clips(clips, clips)), noised(0.02), noised(0.1)]
    errors = ["dtw", "progressive_dtw", "dtw_mje", "ndtw_mje", "mje", "pa_mpjpe_body"]
    for name in (*errors, "pa_mpjpe_hands", "velocity_error", "acceleration_error"):
        assert table[0][name] < 1e-4 < table[1][name] < table[2][name]


def test_empty_and_one_frame_clips_and_unseen_references_are_counted_not_averaged():
    good = letters()[0]
    unseen = dataclasses.replace(good, confidence=np.zeros_like(good.confidence))
    empty, one = cut(good, slice(0, 0)), cut(good, slice(0, 1))
    references, produced = [good, good, one, unseen, empty], [good, empty, good, good, good]
    scores = score_clips(references, produced)
    finite = np.isfinite(scores["dtw"])
    np.testing.assert_array_equal(finite, [True, False, True, False, False])
    np.testing.assert_array_equal(np.isfinite(scores["mje"]), finite)
    np.testing.assert_array_equal(
        np.isfinite(scores["velocity_error"]), [True, False, False, False, False]
    )
    np.testing.assert_array_equal(
        np.isfinite(scores["duration_ratio"]), [True, True, True, True, False]
    )
    summary = summarize(scores)
    assert summary["clips"] == 5
    assert summary["dtw_excluded"] == 3
    assert summary["velocity_error_excluded"] == 4
    assert summary["duration_ratio_excluded"] == 1
    assert summary["dtw"] == pytest.approx(np.mean(scores["dtw"][finite]))
    assert all(np.isfinite(value) for value in summary.values())


def test_a_production_that_is_not_finite_is_excluded_and_leaves_the_others_alone(scores):
    clips = letters() * 4
    pairs = pad_pairs(clips, clips[1:] + clips[:1])
    pairs.produced[1, 3, 4] = np.nan
    broken = jax.device_get(score_pairs(pairs, "openpose50", ()))
    for name in ("dtw", "progressive_dtw", "dtw_mje", "ndtw_mje", "mje", "velocity_error"):
        assert np.isnan(broken[name][1])
        np.testing.assert_allclose(broken[name][[0, 2, 3]], scores[name][[0, 2, 3]], rtol=1e-5)


def test_unequal_counts_other_layouts_and_nothing_at_all_are_errors(monkeypatch):
    clips = letters()
    for references, produced in (([], []), (clips, clips[:2]), (clips, [])):
        with pytest.raises(DataError, match="cannot be paired"):
            score_clips(references, produced)
    other = dataclasses.replace(OPENPOSE50, name="other50")
    monkeypatch.setitem(skeleton.LAYOUTS, "other50", other)
    foreign = dataclasses.replace(clips[1], layout="other50")
    with pytest.raises(DataError, match="pair 1: a other50 clip among openpose50"):
        score_clips(clips[:2], [clips[0], foreign])
    with pytest.raises(DataError, match="one layout"):
        frechet_pose_distance(clips[:2], [clips[0], foreign])
    with pytest.raises(DataError, match="two frames"):
        frechet_pose_distance(clips, [cut(clips[0], slice(0, 1))])
    with pytest.raises(DataError, match="not finite"):
        frechet_distance(np.full((3, 2), np.nan), np.ones((3, 2)))
    with pytest.raises(DataError, match="at least one clip"):
        mean_pose([])


def test_more_clips_than_a_batch_score_as_they_do_alone():
    clips = [cut(clip, slice(0, 20)) for clip in letters()] * 5
    others = clips[1:] + clips[:1]
    scores = score_clips(clips, others)
    alone = score_clips(clips[:4], others[:4])
    for name, values in alone.items():
        np.testing.assert_allclose(scores[name][:4], values, rtol=1e-6)
        np.testing.assert_allclose(scores[name][16:], values, rtol=1e-6)
