"""The train step: pure, sharded, compiled once, without communication between languages."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from signllm_jax.core.config import Config
from signllm_jax.core.typing import Array, Batch, LineBatch, Tree
from signllm_jax.parallel import language_axis as lane_axis
from signllm_jax.parallel import memory_layout, sharding
from signllm_jax.rl import plc
from signllm_jax.train import spikes
from signllm_jax.train.optimizer import learning_rate, make_optimizer
from signllm_jax.train.state import TrainState, state_shardings
from signllm_jax.train.task import Learning, Task, get_task


def train_step(
    state: TrainState,
    batch: Batch | LineBatch | None,
    *,
    task: Task,
    lanes: tuple[str, ...],
    specs: Tree,
) -> tuple[TrainState, dict[str, Array]]:
    """One update of every active lane.

    Args:
        state: Train state; its buffers are donated.
        batch: Batch [L, B, ...] without the rows that are drawn by priority; None if all rows come
            from the replay buffer; a LineBatch if a text stage is trained alone.
        task: Task with the loss.
        lanes: Names of the lanes in the order of L; in MLSF, the codes of the languages.
        specs: PartitionSpecs of the parameters, also used for the gradients.

    Returns:
        The next state, and metrics float32 [L], sharded over `language`: the loss terms, the
        gradient norm and the learning rate.
    """
    config = task.config
    steps = jnp.asarray([config.train.language_steps.get(n, config.train.steps) for n in lanes])
    keys = lane_axis.keys(jax.random.fold_in(state.key, state.step), lanes)

    replay, slots, importance = state.replay, None, None
    if replay is not None:
        # the draws of the loss use other keys
        replay_keys = jax.vmap(lambda key: jax.random.fold_in(key, 1))(keys)
        begin = sharding.on_own_rows(functools.partial(plc.begin, config=config))
        replay, batch, slots, importance = begin(replay, batch, replay_keys, state.step)
    elif isinstance(batch, Batch):  # the lines of a text stage need no other layout
        batch = sharding.on_own_rows(lambda rows, _: memory_layout.lay(rows))(batch, state.step)

    def gradient(params, batch, key, steps, importance):
        learning = ()
        if replay is not None or config.rl.loss != "mse":
            learning = (Learning(importance if config.rl.beta else None, state.step / steps),)
        grads, terms = jax.grad(task.loss, has_aux=True)(params, batch, key, *learning)
        return grads, terms

    grads, metrics = lane_axis.lift(gradient)(state.params, batch, keys, steps, importance)
    error = metrics.pop("clip_error", None)
    grads = jax.lax.with_sharding_constraint(grads, specs)
    active = state.active & (state.step < steps)
    usual, skipped = state.usual_norm, None
    if usual is not None:
        norms = lane_axis.lift(optax.tree.norm)(grads)
        usual, skipped = spikes.find(usual, norms, state.step, config.train.skip_spikes)
        active &= ~skipped
        grads = lane_axis.lift(spikes.without)(grads, skipped)

    def update(grads, opt_state, params, steps, active):
        updates, new = make_optimizer(config.optimizer, steps).update(grads, opt_state, params)
        # zeroed updates: a select over the state would copy all of it
        updates = jax.tree.map(lambda u: u * active, updates)
        return optax.apply_updates(params, updates), new, optax.tree.norm(grads)

    params, opt_state, norm = lane_axis.lift(update)(
        grads, state.opt_state, state.params, steps, active
    )
    if replay is not None and config.rl.rollout == "free_running":

        def rescore(replay, params):
            errors = functools.partial(task.free_running_errors, params)
            return plc.rescore(replay, errors, state.step, config)

        replay = lane_axis.lift(rescore)(replay, state.params)
    elif replay is not None:
        replay = sharding.on_own_rows(plc.finish)(replay, slots, error, state.step)
    rate = jax.vmap(lambda n: learning_rate(config.optimizer, state.step, n))(steps)
    metrics |= {"gradient_norm": norm, "learning_rate": rate * active}
    if skipped is not None:
        metrics |= {"gradient_norm": norms, "skipped": skipped.astype(jnp.float32)}
    state = dataclasses.replace(
        state,
        step=state.step + 1,
        params=params,
        opt_state=opt_state,
        replay=replay,
        usual_norm=usual,
    )
    return state, metrics


def make_train_step(config: Config, lanes: tuple[str, ...], mesh, resident: bool = False):
    """`train_step` under jit with its shardings, the state donated; `resident` takes no batch.

    Call the result under `use_mesh(mesh)`. Metrics stay sharded over `language` until
    `gather_metrics` gathers them for the log.
    """
    state = state_shardings(config, lanes, mesh)
    specs = jax.tree.map(lambda s: s.spec, state.params)
    per_lane = jax.sharding.NamedSharding(mesh, sharding.partition_spec(("language",)))
    step = functools.partial(train_step, task=get_task(config), lanes=lanes, specs=specs)
    return jax.jit(
        functools.partial(step, batch=None) if resident else step,
        in_shardings=(state,) if resident else (state, sharding.batch_sharding(mesh)),
        out_shardings=(state, per_lane),
        donate_argnums=0,
    )


def gather_metrics(metrics: dict[str, Array], mesh) -> dict[str, np.ndarray]:
    """Gathers metrics [L] on every host, outside of the step; languages communicate only here."""
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    gathered = jax.jit(lambda tree: tree, out_shardings=replicated)(metrics)
    return jax.tree.map(np.asarray, gathered)
