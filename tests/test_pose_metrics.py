import dataclasses
import re

import jax
import numpy as np
import pytest
from real_clips import letters, phoenix
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from test_dtw import slow_dtw

from signllm_jax.core import skeleton
from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.metrics import pairs
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


def test_durations_are_compared_in_seconds():
    clips = letters()
    twice = [dataclasses.replace(clip, fps=2 * clip.fps) for clip in clips]
    assert summarize(score_clips(clips, twice))["duration_ratio"] == pytest.approx(0.5)


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


def test_pairs_of_like_lengths_are_scored_together_and_come_back_in_their_order(monkeypatch):
    random = np.random.default_rng(0)
    lengths = (150, 40, 60, 9, 130, 64)
    shown = {length: np.ones((length, 50)) for length in lengths}
    clips = [PoseClip(random.normal(size=(n, 50, 3)), shown[n], 25.0) for n in lengths]
    made = [
        PoseClip(clip.positions + random.normal(size=(50, 3)), clip.confidence, 25.0)
        for clip in clips[::-1]
    ]
    together = score_clips(clips, made)
    monkeypatch.setattr(pairs, "_BATCH", 2)
    monkeypatch.setattr(pairs, "_WORTH", 1)
    padded = pairs._padded_lengths(np.array([len(clip) for clip in clips]))
    assert padded.tolist() == [192, 64, 64, 64, 192, 64]
    for name, values in score_clips(clips, made).items():
        np.testing.assert_allclose(values, together[name], rtol=1e-5, err_msg=name)
