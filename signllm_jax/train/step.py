"""The train step: pure, sharded, compiled once, and without a byte between languages."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from signllm_jax.config import Config, LossConfig
from signllm_jax.losses import joint_weights, pose_losses
from signllm_jax.models import mlsf
from signllm_jax.models.text2pose import Text2Pose, teacher_forcing
from signllm_jax.parallel import sharding
from signllm_jax.skeleton import get_layout
from signllm_jax.train.optimizer import learning_rate, make_optimizer
from signllm_jax.train.state import TrainState, state_shardings
from signllm_jax.typing import Array, Batch, Tree


def compute_dtype(name: str):
    """The compute type of `auto`, `float32` or `bfloat16` on the default backend."""
    if name == "auto":
        name = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return jnp.dtype(name)


def corrupt(history: Array, counter: Array, key: Array, config: LossConfig):
    """What is done to the decoder's input while training, so that it learns to compose.

    Blanks whole patches, adds noise to the others and to the counter; a clip's first patch
    (counter 0) keeps its counter.

    Args:
        history: [B, N, P (D - 1)].
        counter: float32 [B, N].
        key: random key.
        config: shares and deviations.

    Returns:
        history and counter of the same shapes.
    """
    noise_key, drop_key, counter_key = jax.random.split(key, 3)
    history = history + config.noise * jax.random.normal(noise_key, history.shape)
    keep = jax.random.bernoulli(drop_key, 1 - config.history_drop, counter.shape)
    begun = counter > 0
    history = history * (keep & begun)[..., None]
    noise = config.counter_noise * jax.random.normal(counter_key, counter.shape)
    return history, jnp.where(begun, jnp.maximum(counter + noise, 1e-3), 0.0)


def language_loss(params: Tree, batch: Batch, key: Array, model: Text2Pose, config: Config):
    """The loss of one language: (scalar, terms) for a Batch without its leading axis."""
    corrupt_key, dropout_key = jax.random.split(key)
    history, counter, segment = teacher_forcing(batch.frames, batch.segment, config.model.patch)
    history, counter = corrupt(history, counter, corrupt_key, config.loss)
    predicted = model.apply(
        {"params": params},
        batch.text,
        batch.text_segment,
        history,
        counter,
        segment,
        training=True,
        rngs={"dropout": dropout_key},
    )
    layout = get_layout(config.data.layout)
    weights = joint_weights(layout, config.loss.hand, config.loss.wrist)
    terms = pose_losses(
        batch.frames,
        batch.joint_mask,
        batch.segment,
        predicted,
        weights,
        config.loss,
    )
    return terms["loss"], terms


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    config: Config,
    languages: tuple[str, ...],
    specs: Tree,
) -> tuple[TrainState, dict[str, Array]]:
    """One update of every language that is active.

    Args:
        state: donated.
        batch: [L, B, ...].
        config: the run's.
        languages: codes in the order of L.
        specs: PartitionSpecs of the parameters, to pin the gradients to.

    Returns:
        The next state, and metrics float32 [L], sharded over `language`: the loss terms, the
        gradient's norm, the learning rate and the number of real frames.
    """
    model = Text2Pose(config.model, compute_dtype(config.model.dtype))
    steps = jnp.asarray(
        [config.train.language_steps.get(code, config.train.steps) for code in languages]
    )
    keys = mlsf.language_keys(jax.random.fold_in(state.key, state.step), languages)

    def gradient(params, batch, key):
        value = functools.partial(language_loss, model=model, config=config)
        grads, terms = jax.grad(value, has_aux=True)(params, batch, key)
        return grads, terms

    grads, metrics = mlsf.lift(gradient)(state.params, batch, keys)
    grads = jax.lax.with_sharding_constraint(grads, specs)
    active = state.active & (state.step < steps)

    def update(grads, opt_state, params, steps, active):
        updates, new = make_optimizer(config.optimizer, steps).update(grads, opt_state, params)
        # zeroed updates, not a select over the state, which would copy all of it
        updates = jax.tree.map(lambda u: u * active, updates)
        return optax.apply_updates(params, updates), new, optax.tree.norm(grads)

    params, opt_state, norm = mlsf.lift(update)(grads, state.opt_state, state.params, steps, active)
    rate = jax.vmap(lambda n: learning_rate(config.optimizer, state.step, n))(steps)
    metrics |= {
        "gradient_norm": norm,
        "learning_rate": rate * active,
        "frames": (batch.segment > 0).sum((1, 2)).astype(jnp.float32),
    }
    new_state = TrainState(
        step=state.step + 1,
        params=params,
        opt_state=opt_state,
        active=state.active,
        key=state.key,
    )
    return new_state, metrics


def make_train_step(config: Config, languages: tuple[str, ...], mesh):
    """`train_step` under jit with its shardings, the state donated.

    Call the result under `use_mesh(mesh)`. Metrics stay sharded over `language`; gather them
    with `gather_metrics` when they are logged.
    """
    state = state_shardings(config, languages, mesh)
    specs = jax.tree.map(lambda s: s.spec, state.params)
    per_language = jax.sharding.NamedSharding(mesh, sharding.partition_spec(("language",)))
    return jax.jit(
        functools.partial(train_step, config=config, languages=languages, specs=specs),
        in_shardings=(state, sharding.batch_sharding(mesh)),
        out_shardings=(state, per_language),
        donate_argnums=0,
    )


def gather_metrics(metrics: dict[str, Array], mesh) -> dict[str, np.ndarray]:
    """Metrics [L] on every host: the only place where languages meet, outside of the step."""
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    gathered = jax.jit(lambda tree: tree, out_shardings=replicated)(metrics)
    return jax.tree.map(np.asarray, gathered)
