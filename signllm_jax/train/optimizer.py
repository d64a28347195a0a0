"""The optimizer of one language; the train step maps it over languages.

Every language has its own count, schedule, clipping and weight decay. The number of steps is
therefore an array.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from signllm_jax.core.config import OptimizerConfig
from signllm_jax.core.typing import Array, Tree


def learning_rate(config: OptimizerConfig, count: Array, steps: Array) -> Array:
    """Linear warm-up, then a cosine or linear decay to `final` times the peak, or no decay.

    Args:
        config: Peak, warm-up, shape and final share of the learning rate.
        count: int32 [], number of updates so far.
        steps: int32 [], length of the schedule; the warm-up is at most a tenth of it.

    Returns:
        The learning rate float32 [].
    """
    count, steps = count.astype(jnp.float32), steps.astype(jnp.float32)
    warmup = jnp.minimum(config.warmup, steps / 10)
    rise = (count + 1) / jnp.maximum(warmup, 1)
    if config.schedule == "constant":
        return config.learning_rate * jnp.minimum(rise, 1)
    progress = jnp.clip((count - warmup) / jnp.maximum(steps - warmup, 1), 0, 1)
    left = 1 - progress if config.schedule == "linear" else 0.5 * (1 + jnp.cos(jnp.pi * progress))
    fall = config.final + (1 - config.final) * left
    return config.learning_rate * jnp.minimum(jnp.minimum(rise, 1), fall)


def make_optimizer(config: OptimizerConfig, steps: Array) -> optax.GradientTransformation:
    """Clipping, then AdamW (or SGD) with the schedule of `learning_rate` over `steps`.

    With `config.average`, the state also holds the running mean of the parameters.
    """
    schedule = functools.partial(learning_rate, config, steps=steps)
    if config.name == "sgd":
        rule = optax.sgd(schedule)
    else:
        rule = optax.adamw(
            schedule,
            b1=config.b1,
            b2=config.b2,
            weight_decay=config.weight_decay,
            mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params),
        )
    rules = [optax.clip_by_global_norm(config.clip), rule]
    if config.average:
        rules.append(_averaging(config.average))
    return optax.chain(*rules)


class Average(NamedTuple):
    """The running mean of the parameters, part of the optimizer state.

    Attributes:
        count: int32 [], number of updates.
        params: Mean of the parameters.
    """

    count: Array
    params: Tree


def _averaging(decay: float) -> optax.GradientTransformation:
    """Keeps a running mean of the updated parameters; does not change the updates.

    The decay rises from 0.1 to `decay`, so that the mean soon forgets the first steps.
    """

    def init(params):
        return Average(jnp.zeros((), jnp.int32), params)

    def update(updates, state, params: Any = None):
        rate = jnp.minimum(decay, (1.0 + state.count) / (10.0 + state.count))
        new = optax.apply_updates(params, updates)
        mean = jax.tree.map(lambda old, p: rate * old + (1 - rate) * p, state.params, new)
        return updates, Average(state.count + 1, mean)

    return optax.GradientTransformation(init, update)


def evaluated(opt_state: Tree, params: Tree) -> Tree:
    """The parameters to evaluate and keep: their running mean if there is one."""
    average = opt_state[-1]
    return average.params if isinstance(average, Average) else params
