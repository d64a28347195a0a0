"""Masks, padded pairs and degenerate clips of the metrics against plain code."""

import jax.numpy as jnp
import numpy as np
import pytest

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.metrics import masks
from signllm_jax.metrics.frechet import frechet_distance
from signllm_jax.metrics.pairs import pad_pairs, score_clips
from signllm_jax.poses.clip import PoseClip


def test_masks_are_those_of_each_clip_alone():
    random = np.random.default_rng(0)
    n, m = np.array([5, 1, 0, 3, 4]), np.array([3, 4, 4, 0, 6])
    observed = random.random((5, 5, 3)) < 0.6
    expected = np.zeros((5, 6, 3), bool)
    for row in range(5):
        for frame in range(m[row] if n[row] else 0):
            share = frame * (n[row] - 1) / max(m[row] - 1, 1)
            expected[row, frame] = observed[row, int(np.round(share))]
    found = masks.stretch_mask(observed, n, m, 6)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(masks.real_frames(5, n).sum(-1), n)
    seen = masks.seen_joints(observed, n)
    np.testing.assert_array_equal(seen, observed & (np.arange(5) < n[:, None])[..., None])
    values = random.normal(size=(5, 6, 3, 2))
    stretched = masks.stretch(values, n, m, 5)
    for row, (to, size) in enumerate(zip(n, m)):
        if to and size:
            time = np.linspace(0, size - 1, to) if to > 1 else np.zeros(1)
            flat = values[row, :size].reshape(size, -1)
            lines = [np.interp(time, np.arange(size), line) for line in flat.T]
            np.testing.assert_allclose(
                stretched[row, :to].reshape(to, -1), np.stack(lines, -1), rtol=1e-5, atol=1e-6
            )
    means = masks.masked_mean(jnp.asarray(values[:, :5, :, 0]), jnp.asarray(seen))
    assert np.isnan(means[2])
    np.testing.assert_allclose(means[0], values[0, :5, :, 0][seen[0]].mean(), rtol=1e-5)


def test_what_is_not_observed_is_nought_in_a_padded_pair():
    random = np.random.default_rng(0)
    positions = random.normal(size=(4, 50, 3)).astype(np.float32)
    confidence = (random.random((4, 50)) < 0.5).astype(np.float32)
    clip = PoseClip(positions, confidence, 25.0)
    made = PoseClip(positions[:2] + 1, np.ones((2, 50)), 50.0)
    pairs = pad_pairs([clip], [made], multiple=8)
    expected = np.where(confidence[..., None] > 0, positions, 0)
    np.testing.assert_array_equal(pairs.reference[0, :4], expected)
    np.testing.assert_array_equal(pairs.observed[0, :4], confidence > 0)
    np.testing.assert_array_equal(pairs.produced[0, :2], positions[:2] + 1)
    assert pairs.reference.shape == (1, 8, 50, 3) and not pairs.reference[0, 4:].any()
    assert not pairs.produced[0, 2:].any() and not pairs.produced_observed[0, 2:].any()
    assert (pairs.n, pairs.m, pairs.fps, pairs.produced_fps) == (4, 2, 25, 50)


def test_a_clip_whose_joints_are_all_in_one_place_has_an_error_that_is_a_number():
    random = np.random.default_rng(0)
    clip = PoseClip(random.normal(size=(5, 50, 3)), np.ones((5, 50)), 25.0)
    point = PoseClip(np.zeros((5, 50, 3)), np.ones((5, 50)), 25.0)
    scores = score_clips([clip], [point], ("pa_mpjpe",))
    # the best that a point can do is the center of the group
    for name, groups in (
        ("pa_mpjpe_body", [OPENPOSE50.groups["body"]]),
        ("pa_mpjpe_hands", [OPENPOSE50.groups[f"{side}_hand"] for side in ("left", "right")]),
    ):
        parts = [clip.positions[:, list(group)] for group in groups]
        apart = [np.linalg.norm(part - part.mean(1, keepdims=True), axis=-1) for part in parts]
        expected = np.concatenate(apart, 1).mean()
        np.testing.assert_allclose(scores[name], expected, rtol=1e-4)


@pytest.mark.parametrize("shapes", [((3,), (3, 2)), ((3, 2), (3,)), ((3, 2), (3, 3))])
def test_embeddings_of_other_shapes_are_refused(shapes):
    with pytest.raises(DataError, match="embeddings must be"):
        frechet_distance(*(np.ones(shape) for shape in shapes))


def test_two_embeddings_on_a_side_are_enough():
    moved = np.array([[0.0, 0.0], [2.0, 0.0]])
    assert frechet_distance(moved, moved + 3) == pytest.approx(18)
    with pytest.raises(DataError, match="at least two"):
        frechet_distance(moved[:1], moved)
