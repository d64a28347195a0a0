import jax
import jax.numpy as jnp
import numpy as np
import pytest
from real_clips import letters, phoenix
from scipy.spatial.distance import cdist

from launch.benchmarks import dtw as benchmark
from signllm_jax.core.errors import DataError
from signllm_jax.metrics.dtw import (
    dtw,
    dtw_along,
    dtw_cost,
    dtw_distance,
    frame_costs,
    joint_mean,
    scored_joints,
)


def slow_dtw(cost, other=None):
    """The textbook recursion in float64: accumulated cost, path length, other cost on the path."""
    n, m = cost.shape
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0
    came_from = {}
    for i in range(n):
        for j in range(m):
            before = [(i, j), (i, j + 1), (i + 1, j)]
            best = min(before, key=lambda cell: table[cell])
            table[i + 1, j + 1] = cost[i, j] + table[best]
            came_from[i + 1, j + 1] = best
    cell, length, along = (n, m), 0, 0.0
    while cell != (0, 0):
        length += 1
        along += 0.0 if other is None else other[cell[0] - 1, cell[1] - 1]
        cell = came_from[cell]
    return table[n, m], length, along


def padded(arrays, length, fill=0.0):
    return np.stack(
        [
            np.pad(a, ((0, length - len(a)),) + ((0, 0),) * (a.ndim - 1), constant_values=fill)
            for a in arrays
        ]
    )


def slow_distance(reference, observed, produced):
    """The DTW distance of DESIGN.md for one pair, written independently with scipy's cdist."""
    moving = [
        j
        for j in range(reference.shape[1])
        if observed[:, j].any() and np.ptp(reference[observed[:, j], j], axis=0).max() > 1e-5
    ]
    total, count = 0.0, np.zeros((len(reference), 1))
    for j in moving:
        distance = cdist(reference[:, j].astype(float), produced[:, j].astype(float))
        total = total + distance * observed[:, j, None]
        count += observed[:, j, None]
    return slow_dtw(total / np.maximum(count, 1))[0] / max(len(reference), len(produced))


def distances(references, produced, length=192):
    n = np.array([len(clip) for clip in references], np.int32)
    m = np.array([len(positions) for positions in produced], np.int32)
    return np.asarray(
        dtw_distance(
            padded([clip.positions for clip in references], length),
            padded([clip.observed for clip in references], length, False),
            padded(produced, length),
            n,
            m,
        )
    )


def test_costs_and_paths_equal_the_textbook_recursion_whatever_the_padding_holds():
    random = np.random.default_rng(0)
    n, m = np.array([7, 1, 12, 5, 12]), np.array([9, 4, 1, 15, 15])
    cost, other = random.uniform(size=(2, 5, 12, 15)).astype(np.float32)
    expected = [
        slow_dtw(c[:i, :j], o[:i, :j]) for c, o, i, j in zip(cost, other, n, m, strict=True)
    ]
    for row, (i, j) in enumerate(zip(n, m, strict=True)):
        cost[row, i:] = -1e3  # tempting, were the padding ever looked at
        cost[row, :, j:] = -1e3
    np.testing.assert_allclose(
        np.stack(dtw_along(cost, n, m, np.ones_like(cost), other), 1), expected, rtol=1e-5
    )
    np.testing.assert_allclose(np.stack(dtw(cost, n, m), 1), np.array(expected)[:, :2], rtol=1e-5)
    np.testing.assert_allclose(dtw_cost(cost, n, m), np.array(expected)[:, 0], rtol=1e-5)


def test_between_equal_costs_the_path_takes_the_diagonal():
    length = dtw(np.zeros((1, 6, 9), np.float32), np.array([6]), np.array([9]))[1]
    assert length[0] == 9


def test_an_empty_clip_gives_nan_and_leaves_its_neighbours_alone():
    cost = np.ones((3, 4, 4), np.float32)
    total, length = dtw(cost, np.array([0, 4, 4]), np.array([4, 0, 4]))
    np.testing.assert_array_equal(total, [np.nan, np.nan, 4])
    np.testing.assert_array_equal(length, [np.nan, np.nan, 4])


def test_frame_costs_equal_scipy_on_real_clips():
    first, second = letters()[:2]
    weight = np.ones(first.confidence.shape, np.float32)
    costs = frame_costs(
        first.positions[None],
        weight[None],
        second.positions[None],
        ("euclidean", "city_block", "squared"),
    )
    a, b = (clip.positions.astype(float) for clip in (first, second))
    joints = range(a.shape[1])
    np.testing.assert_allclose(costs[0][0], sum(cdist(a[:, j], b[:, j]) for j in joints), atol=1e-4)
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    np.testing.assert_allclose(costs[1][0], cdist(a, b, "cityblock"), atol=1e-4)
    np.testing.assert_allclose(costs[2][0], cdist(a, b, "sqeuclidean"), atol=1e-4)


def test_two_equal_clips_are_at_distance_zero_to_float32():
    clips = letters()
    assert np.abs(distances(clips, [clip.positions for clip in clips])).max() < 1e-7


def test_the_distance_equals_an_independent_one_on_fingerspelling_with_missing_hands():
    clips = letters()
    assert not all(clip.observed.all() for clip in clips)
    others = [clip.positions for clip in clips[1:] + clips[:1]]
    expected = [slow_distance(c.positions, c.observed, p) for c, p in zip(clips, others)]
    np.testing.assert_allclose(distances(clips, others), expected, atol=1e-4)


def test_the_distance_equals_an_independent_one_on_phoenix(shared_data):
    clips = phoenix(shared_data)[:4]
    others = [clip.positions for clip in phoenix(shared_data, "train")[:4]]
    expected = [slow_distance(c.positions, c.observed, p) for c, p in zip(clips, others)]
    np.testing.assert_allclose(distances(clips, others), expected, atol=1e-4)


def test_the_sweep_equals_dtaidistance_on_phoenix(shared_data):
    dtw_ndim = pytest.importorskip("dtaidistance.dtw_ndim")
    first, second = phoenix(shared_data)[0], phoenix(shared_data)[1]
    a, b = (clip.positions.reshape(len(clip), -1).astype(float) for clip in (first, second))
    cost = cdist(a, b, "sqeuclidean").astype(np.float32)  # dtaidistance sums squares under a root
    ours = np.sqrt(dtw_cost(cost[None], np.array([len(a)]), np.array([len(b)])))[0]
    assert abs(ours - dtw_ndim.distance(a, b)) < 1e-4


def test_self_warp_noise_mean_pose_and_another_clip_are_ordered_on_phoenix(shared_data):
    clips, random = phoenix(shared_data)[:4], np.random.default_rng(0)
    positions = [clip.positions for clip in clips]
    mean = np.concatenate([clip.positions for clip in phoenix(shared_data, "train")]).mean(0)
    warped = [p[np.sort(random.integers(0, len(p), int(0.9 * len(p))))] for p in positions]
    noised = [p + random.normal(0, 0.05, p.shape).astype(np.float32) for p in positions]
    held = [np.repeat(mean[None], len(p), axis=0) for p in positions]
    other = positions[1:] + positions[:1]
    table = np.array([distances(clips, c) for c in (positions, warped, noised, held, other)])
    assert (table[0] < 1e-6).all()
    assert (table[0] < table[1]).all()
    assert (table[1] < table[2]).all()
    assert (table[2] < table[3]).all()
    assert (table[2] < table[4]).all()
    assert table[3].mean() < table[4].mean()  # why a mean pose must stand in every table


def test_unseen_and_constant_joints_do_not_count_and_a_clip_without_others_is_nan():
    clip = letters()[0]
    reference, observed = clip.positions.copy(), clip.observed.copy()
    reference[:, 0] = 3.0  # constant
    observed[:, 9] = False
    produced = reference + 0.5
    produced[:, (0, 9)] = 1e3
    n = np.array([len(reference)])
    expected = np.sqrt(3 * 0.5**2)
    row = dtw_distance(reference[None], observed[None], produced[None], n, n)
    assert row[0] <= expected + 1e-5
    still = np.broadcast_to(reference[:1], reference.shape)
    assert np.isnan(dtw_distance(still[None], observed[None], produced[None], n, n)[0])
    unseen = np.zeros_like(observed)
    assert np.isnan(dtw_distance(reference[None], unseen[None], produced[None], n, n)[0])


def test_every_observed_joint_counts_in_a_clip_of_one_frame():
    reference = letters()[0].positions[:1]
    observed = np.ones((1, 1, reference.shape[1]), bool)
    one = np.array([1])
    assert scored_joints(reference[None], observed, one).all()
    shifted = reference + np.array([0.3, 0, 0.4], np.float32)
    assert dtw_distance(reference[None], observed, shifted[None], one, one)[0] == pytest.approx(0.5)


def test_joint_means_are_means():
    scored = np.random.default_rng(0).uniform(size=(2, 3, 50)) < 0.5
    scored[1, 1] = False
    total = joint_mean(jnp.asarray(scored)).sum(-1)
    np.testing.assert_allclose(total, scored.any(-1), rtol=1e-6)


def test_one_compilation_serves_all_lengths_of_a_padded_shape():
    cost = np.ones((2, 11, 13), np.float32)
    dtw(cost, np.array([3, 4]), np.array([5, 6]))
    before = dtw_along._cache_size()
    dtw(cost, np.array([11, 1]), np.array([13, 2]))
    assert dtw_along._cache_size() == before


def test_the_distance_is_vectorised_over_a_language_axis():
    clips = letters()
    reference = padded([clip.positions for clip in clips], 64)[:4].reshape(2, 2, 64, 50, 3)
    observed = padded([clip.observed for clip in clips], 64, False)[:4].reshape(2, 2, 64, 50)
    n = np.array([len(clip) for clip in clips], np.int32)[:4].reshape(2, 2)
    produced = reference[:, ::-1]
    both = jax.vmap(dtw_distance)(reference, observed, produced, n, n[:, ::-1])
    first = dtw_distance(reference[0], observed[0], produced[0], n[0], n[0, ::-1])
    np.testing.assert_allclose(both[0], first, rtol=1e-5)


def test_the_benchmark_times_two_programs_that_agree(monkeypatch):
    monkeypatch.setattr(benchmark, "_LENGTHS", (12,))
    monkeypatch.setattr(benchmark, "_BATCH", 4)
    rows = list(benchmark.rows())
    assert [row["variant"] for row in rows] == ["python-12", "batch-12"]
    for row in rows:
        assert row["per_cpu_second"] == pytest.approx(row["pairs"] / row["cpu_seconds"])
    monkeypatch.setattr(benchmark, "python_dtw", lambda *_: 1.0)
    with pytest.raises(DataError, match="do not agree"):
        list(benchmark.rows())
