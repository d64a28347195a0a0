"""The optimiser of one language; the train step lifts it over languages.

Counts, schedule, clipping and weight decay are a language's own, which is why the schedule
takes the number of steps as an array.
"""

import jax
import jax.numpy as jnp
import optax

from signllm_jax.config import OptimizerConfig
from signllm_jax.typing import Array


def learning_rate(config: OptimizerConfig, count: Array, steps: Array) -> Array:
    """Linear warm-up, then a cosine to `final` times the peak at `steps`.

    Args:
        config: peak, warm-up and final share.
        count: int32 [], updates made so far.
        steps: int32 [], length of the schedule; the warm-up is at most a tenth of it.

    Returns:
        float32 [].
    """
    count, steps = count.astype(jnp.float32), steps.astype(jnp.float32)
    warmup = jnp.minimum(config.warmup, steps / 10)
    rise = (count + 1) / jnp.maximum(warmup, 1)
    progress = jnp.clip((count - warmup) / jnp.maximum(steps - warmup, 1), 0, 1)
    cosine = config.final + (1 - config.final) * 0.5 * (1 + jnp.cos(jnp.pi * progress))
    return config.learning_rate * jnp.minimum(jnp.minimum(rise, 1), cosine)


def make_optimizer(config: OptimizerConfig, steps: Array) -> optax.GradientTransformation:
    """Clipping, then AdamW (or SGD) with the schedule of `learning_rate` over `steps`."""

    def schedule(count):
        return learning_rate(config, count, steps)

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
    return optax.chain(optax.clip_by_global_norm(config.clip), rule)
