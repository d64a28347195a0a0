import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny import CONFIG, LANGUAGES, SGD, mesh_of, one_device, packed_batch

from signllm_jax.aot.collectives import cross_language_bytes, read_collectives
from signllm_jax.parallel import sharding
from signllm_jax.train import optimizer
from signllm_jax.train import state as train_state
from signllm_jax.train import step as train_step
from signllm_jax.train.state import make_state, state_shardings
from signllm_jax.train.step import gather_metrics, make_train_step

MESHES = [(8, 1, 1, 1), (2, 2, 2, 1), (1, 1, 8, 1), (2, 1, 1, 4)]
STEPS = 3


class Seen(NamedTuple):
    gradient: object


def keep_gradient():
    """A part of an optimiser whose state is the gradient that came in last."""
    return optax.GradientTransformation(
        lambda params: Seen(jax.tree.map(jnp.zeros_like, params)),
        lambda updates, state, params: (updates, Seen(updates)),
    )


class Run(NamedTuple):
    hlo: str
    losses: np.ndarray
    gradients: list
    params: dict


@pytest.fixture(scope="module")
def run_on():
    """Three steps of the real train step under SGD on a mesh, from the same state everywhere."""
    patch = pytest.MonkeyPatch()

    def make_optimizer(config, steps):
        return optax.chain(keep_gradient(), optimizer.make_optimizer(config, steps))

    patch.setattr(train_state, "make_optimizer", make_optimizer)
    patch.setattr(train_step, "make_optimizer", make_optimizer)
    first = fetched(make_state(SGD, LANGUAGES, one_device()))

    @functools.cache
    def run(shape) -> Run:
        mesh = mesh_of(*shape)
        state = place(first, state_shardings(SGD, LANGUAGES, mesh))
        batches = [
            jax.device_put(packed_batch(seed=seed), sharding.batch_sharding(mesh))
            for seed in range(STEPS)
        ]
        losses, gradients = [], []
        step_fn = make_train_step(SGD, LANGUAGES, mesh)
        with sharding.use_mesh(mesh):
            step_fn = step_fn.lower(state, batches[0]).compile()
            for batch in batches:
                # one program at a time: fake devices share two cores, and wait for each other
                state, metrics = jax.block_until_ready(step_fn(state, batch))
                losses.append(gather_metrics(metrics, mesh)["loss"])
                gradients.append(jax.device_get(state.opt_state[0].gradient))
        params = jax.device_get(state.params)
        return Run(step_fn.as_text(), np.stack(losses), gradients, params)

    run.first = first
    yield run
    patch.undo()


def fetched(state):
    """The state as numpy arrays; a typed key cannot be one."""
    return jax.device_get(dataclasses.replace(state, key=jax.random.key_data(state.key)))


def place(state, shardings):
    state = dataclasses.replace(state, key=jax.random.wrap_key_data(state.key))
    return jax.device_put(state, shardings)


def by_leaf(tree):
    return {jax.tree_util.keystr(k): v for k, v in jax.tree_util.tree_flatten_with_path(tree)[0]}


@pytest.mark.parametrize(
    "shape", [MESHES[0], *(pytest.param(shape, marks=pytest.mark.slow) for shape in MESHES[1:])]
)
def test_eight_devices_compute_what_one_does(run_on, shape):
    one, eight = run_on((1, 1, 1, 1)), run_on(shape)
    np.testing.assert_allclose(eight.losses, one.losses, rtol=0, atol=1e-6)
    for expected, found in zip(map(by_leaf, one.gradients), map(by_leaf, eight.gradients)):
        for name, gradient in expected.items():
            far = np.linalg.norm(found[name] - gradient)
            assert far <= max(1e-5 * np.linalg.norm(gradient), 1e-7), name
    for name, value in by_leaf(one.params).items():
        np.testing.assert_allclose(
            by_leaf(eight.params)[name], value, rtol=0, atol=5e-5, err_msg=name
        )


def test_three_steps_of_sgd_move_every_parameter(run_on):
    """So that the comparison of meshes compares something."""
    run = run_on((1, 1, 1, 1))
    assert np.isfinite(run.losses).all() and len(np.unique(run.losses)) == run.losses.size
    for name, gradient in by_leaf(run.gradients[-1]).items():
        assert all(np.linalg.norm(language) > 1e-7 for language in gradient), name


def test_a_mesh_of_languages_has_no_collective_at_all(run_on):
    assert read_collectives(run_on((8, 1, 1, 1)).hlo, 8) == []


@pytest.mark.parametrize(
    "shape", [(2, 2, 2, 1), pytest.param((2, 1, 1, 4), marks=pytest.mark.slow)]
)
def test_no_byte_passes_between_languages(run_on, shape):
    hlo, mesh = run_on(shape).hlo, mesh_of(*shape)
    assert len(read_collectives(hlo, 8)) >= 10  # all that data, fsdp and tensor need
    assert cross_language_bytes(hlo, mesh) == 0


def test_a_state_is_made_on_its_mesh_and_is_the_one_of_every_mesh(run_on):
    mesh = mesh_of(2, 2, 2, 1)
    made, places = make_state(SGD, LANGUAGES, mesh), state_shardings(SGD, LANGUAGES, mesh)
    first = by_leaf(run_on.first.params)
    for name, leaf in by_leaf(made.params).items():
        assert leaf.sharding.is_equivalent_to(by_leaf(places.params)[name], leaf.ndim), name
        np.testing.assert_allclose(leaf, first[name], rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["autoregressive", "parallel"])
def test_a_latent_passes_no_byte_between_languages_either(decoder):
    model = dataclasses.replace(CONFIG.model, latent=3, decoder=decoder)
    config = dataclasses.replace(CONFIG, model=model)
    mesh = mesh_of(2, 2, 2, 1)
    state = train_state.abstract_state(config, LANGUAGES)
    step_fn = make_train_step(config, LANGUAGES, mesh)
    with sharding.use_mesh(mesh):
        hlo = step_fn.lower(state, packed_batch()).compile().as_text()
    assert cross_language_bytes(hlo, mesh) == 0


@pytest.mark.slow
def test_adamw_passes_no_byte_between_languages_either():
    for shape in ((8, 1, 1, 1), (2, 2, 2, 1)):
        mesh = mesh_of(*shape)
        state = train_state.abstract_state(CONFIG, LANGUAGES)
        step_fn = make_train_step(CONFIG, LANGUAGES, mesh)
        with sharding.use_mesh(mesh):
            hlo = step_fn.lower(state, packed_batch()).compile().as_text()
        assert cross_language_bytes(hlo, mesh) == 0
