import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from signllm_jax.core.config import OptimizerConfig
from signllm_jax.train.optimizer import learning_rate, make_optimizer

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
