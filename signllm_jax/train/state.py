"""The train state, and how it is made sharded from the start."""

import dataclasses
import functools

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


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["step", "params", "opt_state", "active", "key", "replay", "usual_norm"],
    meta_fields=[],
)
@dataclasses.dataclass(frozen=True)
class TrainState:
    """All that a run carries from step to step.

    Attributes:
        step: int32 [], steps made.
        params: parameters, each [L, ...].
        opt_state: the optimizer's state, lifted over L.
        active: bool [L], lanes that still learn; the others' updates are zeroed.
        key: the run's random key; every draw folds in the step and the lane's name.
        replay: the buffers of the Priority Learning Channel, [L, strata, ...]; None = off.
        usual_norm: float32 [L], the running mean of each lane's gradient norm; None where no
            step is skipped for it.
    """

    step: Array
    params: Tree
    opt_state: Tree
    active: Array
    key: Array
    replay: Replay | None = None
    usual_norm: Array | None = None


def init_state(config: Config, lanes: tuple[str, ...]) -> TrainState:
    """A fresh state of all lanes; call it under jit with `state_shardings`."""
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
    """Shapes and types of the state; nothing is computed."""
    with sharding.use_shape_mesh():
        return jax.eval_shape(lambda: init_state(config, lanes))


def state_shardings(config: Config, lanes: tuple[str, ...], mesh) -> TrainState:
    """A TrainState of NamedShardings."""
    return _shardings(config, abstract_state(config, lanes), mesh)


def _shardings(config: Config, state: TrainState, mesh) -> TrainState:
    specs = sharding.tree_specs(
        lane_axis.abstract(get_task(config).init_lane), leading=("language",)
    )
    placed = dataclasses.replace(sharding.state_specs(state, specs), replay=plc.specs(state.replay))
    return sharding.shardings(mesh, placed)


def placed_state(config: Config, lanes: tuple[str, ...], mesh) -> TrainState:
    """Shapes, types and shardings of the state, a TrainState of `jax.ShapeDtypeStruct`s."""
    state = abstract_state(config, lanes)
    return jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        state,
        _shardings(config, state, mesh),
    )


def make_state(config: Config, lanes: tuple[str, ...], mesh) -> TrainState:
    """A fresh state, made on the devices that hold it."""
    out = state_shardings(config, lanes, mesh)
    with sharding.use_mesh(mesh):
        return jax.jit(lambda: init_state(config, lanes), out_shardings=out)()
