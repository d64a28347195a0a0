"""Losses in which what fits badly counts less."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CONFIG, one_device, packed_batch

from signllm_jax.core.config import read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.models.robust import clip_weights, huber
from signllm_jax.parallel import sharding
from signllm_jax.train.mlsf import MlsfTask

ERROR = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 100.0]], np.float32)  # the median is 3


def test_a_clip_above_the_limit_is_left_out_or_contributes_what_the_limit_does():
    trimmed = clip_weights(ERROR, "trimmed", 1.0)
    np.testing.assert_array_equal(trimmed, [[1, 1, 1], [1, 0, 0]])
    clipped = clip_weights(ERROR, "clipped", 2.0)
    np.testing.assert_allclose(clipped, [[1, 1, 1], [1, 1, 0.06]], rtol=1e-6)
    assert clipped[1, 2] * ERROR[1, 2] == pytest.approx(6.0)
    nothing = np.full((1, 2), np.nan, np.float32)
    np.testing.assert_array_equal(clip_weights(nothing, "trimmed", 1.0), [[1, 1]])


@pytest.mark.parametrize("kind", ["trimmed", "clipped"])
def test_no_gradient_goes_through_a_weight(kind):
    slope = jax.grad(lambda x: jnp.nansum(clip_weights(x, kind, 1.0)))(jnp.asarray(ERROR))
    np.testing.assert_array_equal(slope, np.zeros_like(ERROR))


def test_huber_is_the_square_up_to_the_limit_and_its_tangent_beyond():
    values = jnp.array([-3.0, -0.5, 0.0, 0.5, 3.0])
    np.testing.assert_allclose(huber(values, 0.5), [2.75, 0.25, 0.0, 0.25, 2.75])
    slope = jax.vmap(jax.grad(lambda x: huber(x, 0.5)))(values)
    np.testing.assert_allclose(slope, [-1.0, -1.0, 0.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def batch():
    return jax.tree.map(lambda field: jnp.asarray(field[0]), packed_batch())


@pytest.fixture(scope="module")
def gradient(batch):
    """The gradient for one language by a way of `config.loss`, of clips that are damaged or not."""
    key = jax.random.key(0)
    first = (batch.segment == 1) & (jnp.arange(len(batch.text)) < 3)[:, None]

    @functools.partial(jax.jit, static_argnums=2)
    def compiled(batch, outlier, robust):
        loss = dataclasses.replace(CONFIG.loss, robust=robust, outlier=outlier)
        task = MlsfTask(dataclasses.replace(CONFIG, loss=loss))
        return jax.grad(task.loss, has_aux=True)(params, batch, key)

    def of(damaged, robust="none", outlier=1.0):
        frames = batch.frames.at[..., :-1].add(jnp.where(first[..., None], damaged, 0.0))
        with sharding.use_mesh(one_device()):
            grads, terms = compiled(batch._replace(frames=frames), outlier, robust)
        return jax.flatten_util.ravel_pytree(grads)[0], terms

    with sharding.use_mesh(one_device()):
        params = nn.meta.unbox(jax.jit(MlsfTask(CONFIG).init_lane)(jax.random.key(1)))
    return of


def turned(one, other):
    """1 - cos of two gradients."""
    return 1 - one @ other / jnp.linalg.norm(one) / jnp.linalg.norm(other)


def test_planted_outliers_turn_the_gradient_of_the_squared_error_and_less_of_the_others(gradient):
    clean, terms = gradient(0.0)
    assert "outliers" not in terms
    moved = turned(clean, gradient(30.0)[0])
    for kind, limit in (("trimmed", 2.0), ("clipped", 1.0), ("huber", 0.5)):
        found, terms = gradient(30.0, robust=kind, outlier=limit)
        assert turned(clean, found) < 0.5 * moved, kind
        if kind != "huber":
            assert 3 / 20 <= terms["outliers"] < 0.6


def test_a_limit_that_nothing_reaches_is_the_squared_error(gradient):
    plain = gradient(0.0)[0]
    for kind in ("trimmed", "clipped", "huber"):
        found = gradient(0.0, robust=kind, outlier=1e5)[0]
        np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "other",
    [{"rl": {"plc": True}}, {"rl": {"loss": "reward"}}, {"task": "text2gloss"}],
)
def test_it_is_refused_in_one_line_where_it_cannot_work(other):
    values = to_dict(CONFIG)
    values["loss"]["robust"] = "trimmed"
    read_config(values)
    for name, value in other.items():
        values[name] = values[name] | value if isinstance(value, dict) else value
    with pytest.raises(ConfigError, match=r"config\.loss\.robust: trimmed") as caught:
        read_config(values)
    assert "\n" not in str(caught.value)
