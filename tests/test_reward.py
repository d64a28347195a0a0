"""Rewards, the paper's RL loss and the policy gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import MODEL, one_device, packed_batch

from signllm_jax.inference import pose_decoding
from signllm_jax.models import mlsf
from signllm_jax.models.losses import frame_error, masked_mean
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.rl import policy, reward

J = (MODEL.frame_size - 1) // 3
WEIGHTS = np.linspace(0.5, 1.5, J).astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return jax.tree.map(lambda field: jnp.asarray(field[0]), packed_batch())


def errors(rows, predicted):
    clips = rows.example.shape[1]
    frames = rows.frames[..., :-1]
    return reward.clip_errors(frames, rows.joint_mask, rows.segment, predicted, WEIGHTS, clips)


def test_a_clips_error_is_the_mean_over_what_was_observed_of_it(rows):
    predicted = rows.frames[..., :-1] + jax.random.normal(jax.random.key(0), (8, 32, 3 * J))
    found, count = jax.jit(errors)(rows, predicted)
    squares = np.asarray(frame_error(rows.frames[..., :-1], predicted))
    for row, numbers in enumerate(np.asarray(rows.segment)):
        for clip in range(3):
            seen = np.asarray(rows.joint_mask[row]) * (numbers == clip + 1)[:, None] * WEIGHTS
            if not seen.any():
                assert np.isnan(found[row, clip]) and count[row, clip] == 0
                continue
            expected = (squares[row] * seen).sum() / seen.sum()
            np.testing.assert_allclose(found[row, clip], expected, rtol=1e-5)


def test_the_rl_loss_has_the_gradient_of_the_mean_squared_error(rows):
    """The paper's argmax of the summed rewards is its argmin of the summed losses."""
    predicted = jax.random.normal(jax.random.key(1), (8, 32, 3 * J))

    def squared(predicted):
        observed = rows.joint_mask & (rows.segment > 0)[..., None]
        error = frame_error(rows.frames[..., :-1], predicted)
        return masked_mean(error, observed * WEIGHTS)

    def rl(predicted):
        return reward.reward_loss(*errors(rows, predicted), jnp.ones((8, 3)))

    (value, gradient), (expected, direction) = (
        jax.jit(jax.value_and_grad(f))(predicted) for f in (rl, squared)
    )
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(gradient, direction, rtol=1e-4, atol=1e-9)
    assert np.linalg.norm(direction) > 1e-4


def test_a_clip_that_counts_twice_is_a_clip_that_comes_twice(rows):
    predicted = jax.random.normal(jax.random.key(1), (8, 32, 3 * J))
    error, count = errors(rows, predicted)
    doubled = reward.reward_loss(error, count, jnp.ones((8, 3)).at[0, 0].set(2.0))
    again = [jnp.append(x, x[0, 0]) for x in (error, count)]
    np.testing.assert_allclose(doubled, reward.reward_loss(*again, jnp.ones(25)), rtol=1e-6)


def test_the_quality_is_one_when_perfect_and_half_at_the_median():
    error = jnp.array([0.0, 1.0, 2.0, 7.0, jnp.nan, jnp.inf])
    median = reward.median_error(error)
    assert median == 1.5
    np.testing.assert_allclose(
        jnp.exp2(reward.log_quality(jnp.array([0, 1.5, 3, jnp.inf]), median)), [1, 0.5, 0.25, 0]
    )
    assert reward.median_error(error[:3]) == 1 and reward.median_error(error[4:]) == 1


@pytest.mark.parametrize("kind", ["mse", "dtw"])
def test_a_late_clip_has_an_error_by_frame_and_a_smaller_one_by_warping(kind):
    true = jnp.cumsum(jax.random.normal(jax.random.key(0), (2, 12, 3 * J)), 1)
    late = jnp.concatenate([true[:, :1], true[:, :-1]], 1)
    mask, length = jnp.ones((2, 12, J), bool), jnp.array([12, 8])
    same = reward.sequence_errors(true, mask, length, true, length, kind)
    shifted = reward.sequence_errors(true, mask, length, late, length, kind)
    nothing = reward.sequence_errors(true, mask & False, length, true, length, kind)
    np.testing.assert_allclose(same, 0, atol=1e-6)
    assert (shifted > 0.1).all() and np.isnan(nothing).all()
    if kind == "dtw":
        still = reward.sequence_errors(true, mask, length, 0 * true, length, kind)
        assert (shifted < 0.5 * still).all()


def test_the_deviation_falls_geometrically():
    found = [float(policy.deviation(jnp.float32(s), 10, 0.4, 0.1)) for s in (0, 5, 10, 20)]
    np.testing.assert_allclose(found, [0.4, 0.2, 0.1, 0.1], rtol=1e-6)


def two_steps(theta, key, clips, sigma=0.5, x=0.7, targets=(0.2, -0.4)):
    """Estimates of the policy gradient on a problem whose gradient is known: [clips].

    a1 ~ N(theta x, sigma^2), a2 ~ N(theta a1, sigma^2); rewards -(a1 - y1)^2, -(a2 - y2)^2.
    """

    def one(key):
        noise = sigma * jax.random.normal(key, (2,))
        first = theta * x + noise[0]
        actions = jnp.stack([first, theta * first + noise[1]])[None, :, None]
        greedy = jnp.array([theta * x, theta * theta * x])[None]
        rewards = -jnp.square(actions[..., 0] - jnp.array(targets))
        baseline = policy.rewards_to_go(-jnp.square(greedy - jnp.array(targets)))

        def loss(theta):
            taken = jax.lax.stop_gradient(actions)
            mean = jnp.stack([theta * x, theta * taken[0, 0, 0]])[None, :, None]
            log_probability = policy.log_probability(taken, mean, sigma)
            return policy.surrogate(log_probability, rewards, baseline)

        return jax.grad(loss)(theta)

    return jax.vmap(one)(jax.random.split(key, clips))


def test_the_policy_gradient_is_unbiased():
    theta, sigma, x, (first, second) = 0.9, 0.5, 0.7, (0.2, -0.4)
    found = np.asarray(jax.jit(two_steps, static_argnums=2)(theta, jax.random.key(0), 400_000))
    exact = (
        2 * (theta * x - first) * x
        + 2 * (theta**2 * x - second) * 2 * theta * x
        + 2 * theta * sigma**2
    )
    error = found.std() / np.sqrt(len(found))
    assert abs(found.mean() - exact) < 4 * error < 0.05 * abs(exact)


@pytest.fixture(scope="module")
def model():
    with sharding.use_shape_mesh():
        stacked = jax.eval_shape(lambda: mlsf.init(MODEL, jax.random.key(0), ("asl",)))
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: 0.1 * random.normal(size=leaf.shape[1:]), stacked)
    return Text2Pose(MODEL), jax.tree.map(jnp.float32, params)


def hiding(params, joints):
    """Parameters by which the joints numbered in `joints` are never shown, and all others are."""
    logit = jnp.where(jnp.isin(jnp.arange(MODEL.patch * J) % J, jnp.array(joints)), -9.0, 9.0)
    head = {"kernel": jnp.zeros_like(params["seen_head"]["kernel"]), "bias": logit}
    return params | {"seen_head": head}


def test_a_rollout_does_not_read_a_hand_that_it_does_not_show(model):
    """What is planted into the head of hidden joints changes no other joint."""
    module, params = model
    params, hidden = hiding(params, range(8, 29)), np.isin(np.arange(3 * J) // 3, range(8, 29))
    planted = jnp.tile(jnp.where(hidden, 50.0, 0.0), MODEL.patch)
    head = params["frame_head"] | {"bias": params["frame_head"]["bias"] + planted}
    text = jnp.asarray(packed_batch().text[0, :3])
    with sharding.use_mesh(one_device()):
        rollout = jax.jit(lambda p: policy.rollout(module, p, text, 4))
        frames, shown, *rest = rollout(params)
        other, _, *other_rest = rollout(params | {"frame_head": head})
    assert np.abs(other - frames)[..., hidden].min() > 40
    np.testing.assert_allclose(other[..., ~hidden], frames[..., ~hidden], atol=1e-5)
    np.testing.assert_array_equal(shown, np.broadcast_to(~hidden[::3], shown.shape))
    for one, two in zip(rest, other_rest):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_greedy_rollout_is_what_decoding_produces(model):
    module, params = model
    params = hiding(params, range(29, 50))
    text = jnp.asarray(packed_batch().text[0, :3] * (np.arange(12) < 4))
    with sharding.use_mesh(one_device()):
        made = jax.jit(lambda p: pose_decoding.generate(module, p, text, 16))(params)
        frames, shown, _, length = jax.jit(lambda p: policy.rollout(module, p, text, 4))(params)
    np.testing.assert_array_equal(length, made.length)
    kept = np.arange(16) < np.asarray(length)[:, None]
    np.testing.assert_allclose(frames * kept[..., None], made.frames, atol=1e-5)
    np.testing.assert_array_equal(shown & kept[..., None], made.seen)
