import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from tiny import mesh_of

from signllm_jax.core.errors import CheckpointError
from signllm_jax.parallel import sharding
from signllm_jax.train.checkpoint import Checkpoints, restore_params

RECORD = {"best": {"asl": 0.25, "gsl": None}, "waiting": {"asl": 1}, "seconds": 1.5}
NAMES = {
    "kernel": ("language", "embed", "heads"),
    "bias": ("language", "norm"),
    "half": ("language", "mlp", "embed"),
}


def state_on(mesh, seed=0):
    """A state with every kind of leaf that a run has: matrices, bfloat16, counts and a key."""
    random = np.random.default_rng(seed)
    values = {
        "kernel": random.normal(size=(4, 16, 8)).astype(np.float32),
        "bias": random.normal(size=(4, 16)).astype(np.float32),
        "half": jnp.asarray(random.normal(size=(4, 8, 16)), jnp.bfloat16),
    }
    places = {name: NamedSharding(mesh, sharding.partition_spec(n)) for name, n in NAMES.items()}
    return {
        "params": jax.device_put(values, places),
        "count": jax.device_put(np.arange(4), NamedSharding(mesh, P("language"))),
        "step": jax.device_put(jnp.int32(seed), NamedSharding(mesh, P())),
        "key": jax.device_put(jax.random.key(7 + seed), NamedSharding(mesh, P())),
    }


def like(state):
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), state
    )


def raw(leaf):
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(leaf) if is_key else leaf)


def assert_same(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(raw(a), raw(b))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two checkpoints of a state that lay on eight devices."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    checkpoints = Checkpoints(folder, keep=2)
    for step in (3, 5, 9):
        checkpoints.save(step, state_on(mesh_of(1, 8, 1, 1), step), dict(RECORD, seconds=step))
    checkpoints.wait()
    checkpoints.close()
    return folder


@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (4, 1, 2, 1), (2, 1, 2, 2), (1, 1, 1, 1)])
def test_a_checkpoint_is_restored_exactly_onto_any_mesh(saved, shape):
    expected = state_on(mesh_of(*shape), 9)
    checkpoints = Checkpoints(saved, keep=2)
    state, record = checkpoints.restore(like(expected))
    checkpoints.close()
    assert_same(state, expected)
    assert record == json.loads(json.dumps(dict(RECORD, seconds=9)))
    for leaf, other in zip(jax.tree.leaves(state), jax.tree.leaves(expected)):
        assert leaf.sharding.is_equivalent_to(other.sharding, leaf.ndim)


def test_only_the_newest_are_kept(saved):
    checkpoints = Checkpoints(saved, keep=2)
    assert checkpoints.steps() == [9, 5]
    checkpoints.close()


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (4, 1, 2, 1)])
def test_the_parameters_can_be_read_without_the_rest(saved, shape):
    mesh = mesh_of(*shape)
    for step, expected in ((None, state_on(mesh, 9)), (5, state_on(mesh, 5))):
        params = restore_params(saved, like(expected["params"]), step)
        assert_same(params, expected["params"])


def test_no_checkpoint_is_none_and_no_parameters_are_an_error(tmp_path, saved):
    checkpoints = Checkpoints(tmp_path / "none", keep=2)
    state = like(state_on(mesh_of(1, 1, 1, 1)))
    assert checkpoints.restore(state) is None and checkpoints.steps() == []
    assert not (tmp_path / "none").exists()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        restore_params(tmp_path / "none", state["params"])
    with pytest.raises(CheckpointError, match="no checkpoint 4"):
        restore_params(saved, state["params"], 4)
