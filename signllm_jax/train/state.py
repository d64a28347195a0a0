"""The train state, which is sharded from the start."""

import dataclasses

import jax
import jax.numpy as jnp

from signllm_jax.core.config import Config
from signllm_jax.core.typing import Array, Tree
from signllm_jax.parallel import language_axis as lane_axis
from signllm_jax.parallel import sharding
from signllm_jax.rl import plc
from signllm_jax.rl.replay import Replay
from signllm_jax.train.optimizer import make_optimizer
from signllm_jax.train.task import get_task


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that a step passes on to the next one.

    Attributes:
        step: int32 [], number of steps so far.
        params: Parameters, each [L, ...].
        opt_state: Optimizer state, each [L, ...].
        active: bool [L], lanes that still learn; the updates of the others are zeroed.
        key: Random key of the run; every draw folds in the step and the lane's name.
        replay: Buffers of the Priority Learning Channel [L, strata, ...]; None = off.
        usual_norm: float32 [L], running mean of the gradient norm; None if no spikes are skipped.
    """

    step: Array
    params: Tree
    opt_state: Tree
    active: Array
    key: Array
    replay: Replay | None = None
    usual_norm: Array | None = None


def init_state(config: Config, lanes: tuple[str, ...]) -> TrainState:
    """A new state of all lanes; call it under jit with `state_shardings`."""
    key = jax.random.key(config.train.seed)
    params = lane_axis.init(get_task(config).init_lane, jax.random.fold_in(key, 0), lanes)
    tx = make_optimizer(config.optimizer, jnp.ones((), jnp.int32))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        opt_state=jax.vmap(tx.init)(params),
        active=jnp.ones((len(lanes),), bool),
        key=jax.random.fold_in(key, 1),
        replay=plc.init(config, len(lanes)),
        usual_norm=jnp.zeros((len(lanes),)) if config.train.skip_spikes else None,
    )


def abstract_state(config: Config, lanes: tuple[str, ...]) -> TrainState:
    """Shapes and types of the state; computes nothing."""
    with sharding.use_shape_mesh():
        return jax.eval_shape(lambda: init_state(config, lanes))


def state_shardings(config: Config, lanes: tuple[str, ...], mesh) -> TrainState:
    """A TrainState of NamedShardings."""
    return jax.tree.map(lambda leaf: leaf.sharding, placed_state(config, lanes, mesh))


def placed_state(config: Config, lanes: tuple[str, ...], mesh) -> TrainState:
    """Shapes, types and shardings of the state, a TrainState of `jax.ShapeDtypeStruct`s."""
    state = abstract_state(config, lanes)
    boxed = lane_axis.abstract(get_task(config).init_lane)
    specs = sharding.state_specs(state, sharding.tree_specs(boxed, leading=("language",)))
    specs = dataclasses.replace(specs, replay=plc.specs(state.replay))
    return jax.tree.map(
        lambda leaf, layout: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=layout),
        state,
        sharding.shardings(mesh, specs),
    )


def make_state(config: Config, lanes: tuple[str, ...], mesh) -> TrainState:
    """A new state, created on the devices that hold it."""
    layout = state_shardings(config, lanes, mesh)
    with sharding.use_mesh(mesh):
        return jax.jit(lambda: init_state(config, lanes), out_shardings=layout)()
