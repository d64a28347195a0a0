import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from signllm_jax.core.config import OptimizerConfig
from signllm_jax.train.optimizer import evaluated, learning_rate, make_optimizer

CONFIG = OptimizerConfig(learning_rate=0.5, warmup=10, final=0.1)


def rates(config, steps):
    return np.asarray(
        [learning_rate(config, jnp.int32(count), jnp.int32(steps)) for count in range(steps + 5)]
    )


def test_the_learning_rate_rises_in_a_line_and_falls_in_a_cosine():
    found = rates(CONFIG, 110)
    np.testing.assert_allclose(found[:10], 0.05 * np.arange(1, 11), rtol=1e-6)
    assert found.max() == pytest.approx(0.5)
    assert found[60] == pytest.approx(0.5 * 0.55)  # half way down, between 1 and a tenth
    np.testing.assert_allclose(found[110:], 0.05, rtol=1e-5)
    assert (np.diff(found[11:]) <= 0).all()


def test_a_warm_up_takes_at_most_a_tenth_of_a_short_run():
    found = rates(dataclasses.replace(CONFIG, warmup=100), 50)
    np.testing.assert_allclose(found[:5], 0.1 * np.arange(1, 6), rtol=1e-6)


def test_every_language_has_the_schedule_of_its_own_steps():
    steps = jnp.array([20, 110])
    both = jax.vmap(lambda n: learning_rate(CONFIG, jnp.int32(15), n))(steps)
    assert both.tolist() == [rates(CONFIG, n)[15] for n in (20, 110)]


def update(config, grads, params):
    optimizer = make_optimizer(config, jnp.int32(10))
    return optimizer.update(grads, optimizer.init(params), params)[0]


def test_a_gradient_is_clipped_to_the_largest_norm():
    config = OptimizerConfig(name="sgd", learning_rate=1.0, warmup=0, clip=2.0)
    params = {"a": jnp.zeros(2), "b": jnp.zeros(1)}
    grads = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([4.0])}
    found = update(config, grads, params)
    np.testing.assert_allclose(found["a"], [-1.2, 0], rtol=1e-6)
    np.testing.assert_allclose(found["b"], [-1.6], rtol=1e-6)


def test_weight_decay_is_for_matrices_only():
    config = OptimizerConfig(learning_rate=1.0, warmup=0, weight_decay=0.5)
    params = {"matrix": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    found = update(config, jax.tree.map(jnp.zeros_like, params), params)
    np.testing.assert_allclose(found["matrix"], -0.5, rtol=1e-6)
    assert not found["bias"].any()


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_what_is_evaluated_is_the_running_mean_of_the_parameters(decay):
    """The decay is at most (1 + n) / (10 + n) after n updates; without one there is no mean."""
    config = OptimizerConfig(name="sgd", learning_rate=1.0, warmup=0, clip=100.0)
    averaging = dataclasses.replace(config, average=decay)
    optimizer, plain = (make_optimizer(c, jnp.int32(1000)) for c in (averaging, config))
    params = mean = jnp.array([1.0, -2.0])
    state, plain_state = optimizer.init(params), plain.init(params)
    for count, grads in enumerate(np.random.default_rng(0).normal(size=(12, 2))):
        updates, state = optimizer.update(jnp.float32(grads), state, params)
        same, plain_state = plain.update(jnp.float32(grads), plain_state, params)
        np.testing.assert_array_equal(updates, same)  # what is trained does not change
        params = params + updates
        rate = min(decay, (1 + count) / (10 + count))
        mean = rate * mean + (1 - rate) * params
        np.testing.assert_allclose(evaluated(state, params), mean, rtol=1e-5)
    assert np.abs(mean - params).max() > 0.1
    assert evaluated(plain_state, params) is params
