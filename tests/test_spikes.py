"""A step whose gradient explodes changes nothing, and what stays large becomes usual."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CONFIG, one_device, packed_batch

from signllm_jax.parallel import sharding
from signllm_jax.train import spikes
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step


def found(norms, most=4.0, start=spikes.FIRST):
    """The spikes of a lane's norms, step by step, and the running mean at the end."""
    usual, seen = jnp.zeros(1), []
    for step, norm in enumerate(norms, start):
        usual, spike = spikes.find(usual, jnp.float32([norm]), jnp.int32(step), most)
        seen.append(bool(spike[0]))
    return seen, float(usual[0])


def test_a_norm_far_above_the_usual_is_a_spike_and_barely_moves_it():
    seen, usual = found([1.0] * 20 + [100.0] + [1.0] * 5)
    assert seen == [False] * 20 + [True] + [False] * 5
    assert usual == pytest.approx(1.0, abs=0.1)


def test_norms_that_stay_large_become_usual():
    seen, _ = found([1.0] * 20 + [50.0] * 200)
    assert seen[20] and not seen[-1]


def test_nothing_is_a_spike_at_the_start_and_what_is_not_finite_ends_the_run_instead():
    assert found([1.0, 100.0], start=0)[0] == [False, False]
    assert found([1.0, float("nan")])[0] == [False, False]
    assert found([1.0, float("inf")])[0] == [False, False]


@pytest.mark.slow
def test_a_spike_of_one_lane_leaves_its_parameters_and_moments_and_not_the_others():
    lanes = ("asl", "tsl")
    train = dataclasses.replace(CONFIG.train, skip_spikes=3.0)
    config, mesh = dataclasses.replace(CONFIG, train=train), one_device()
    step_fn = make_train_step(config, lanes, mesh)
    batch = packed_batch(lanes)
    scale = np.float32([1e3, 1]).reshape(2, 1, 1, 1)  # the first lane's frames explode
    with sharding.use_mesh(mesh):
        state = make_state(config, lanes, mesh)
        for _ in range(spikes.FIRST + 1):
            state, metrics = step_fn(state, batch)
            assert not np.asarray(metrics["skipped"]).any()
        before = jax.device_get(state.params)
        after, metrics = step_fn(state, batch._replace(frames=batch.frames * scale))
    np.testing.assert_array_equal(metrics["skipped"], [1, 0])
    assert metrics["gradient_norm"][0] > 10 * metrics["gradient_norm"][1]
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(jax.device_get(after.params))):
        np.testing.assert_array_equal(one[0], other[0])
    assert any(
        (one[1] != other[1]).any()
        for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after.params))
    )
