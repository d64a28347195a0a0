"""Further training of a model with a latent, by a reader's score of its samples.

A model of many signers is trained for a short time. Then its distribution of latents is trained
further by a policy gradient, alone or beside the usual loss. The reward is a reader's
log-probability of the text. Another reader with other weights judges.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from launch.studies.runs import Bench
from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config
from signllm_jax.core.typing import Array, Batch, Tree
from signllm_jax.data import batches
from signllm_jax.data.splits import open_split
from signllm_jax.eval.back_translate import Reader, ReaderConfig, train_reader
from signllm_jax.inference.request import Draw
from signllm_jax.metrics.text_metrics import cer
from signllm_jax.metrics.variety import diversity
from signllm_jax.models import generation
from signllm_jax.models.back_translation import PoseReader
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.rl import latent_policy
from signllm_jax.text.tokenizer import UNKNOWN
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.optimizer import make_optimizer

TEXTS, SAMPLES = 8, 4
"""Number of texts in a step, and of samples of each."""
JUDGED = 4
"""Number of judged samples of each text."""
NEVER = -1e9


class Way(NamedTuple):
    """A way of further training: the weights of the usual loss and of the policy gradient."""

    usual: float
    policy: float
    steps: int
    learning_rate: float


class Ground:
    """What all ways share: the data, the model after the short training, and the readers.

    Args:
        config: Config of the short training; its first language and its seed are used.
    """

    def __init__(self, config: Config):
        data = config.data
        self.config, self._bench = config, Bench(config)
        self.group, self._producer, _ = self._bench.part(0.0)
        folder = data.data_dir or None
        self.train, self._test = (
            open_split(data.dataset, data.languages[0], split, folder)
            for split in ("train", "test")
        )

    @functools.cached_property
    def start(self) -> Tree:
        """The parameters [1, ...] that all ways start from."""
        return self._bench.train(self.config, ())["params"]

    @functools.cached_property
    def readers(self) -> tuple[Reader, Reader]:
        """The reader that rewards, and the one that judges."""
        data = [self.train], [self.group.needed_tokenizer], [self.group.needed_statistics]
        rewards, judges = (train_reader(*data, ReaderConfig(seed=seed)) for seed in (0, 1))
        return rewards, judges

    def judge(self, params: Tree, seed: int) -> dict[str, float]:
        """`cer` and `diversity` of samples of the test texts; the draws depend on the seed."""
        texts = [text for text in dict.fromkeys(self._test.texts) for _ in range(JUDGED)]
        draws = [Draw(seed=seed, sample=index) for index in range(len(texts))]
        with sharding.use_mesh(sharding.make_mesh({}, jax.devices()[:1])):
            made = [clip for clip, _ in self._producer(params, [texts], [draws])[0]]
        read = self.readers[1].read(0, made)
        return {"cer": cer(read, texts), "diversity": diversity(texts, made)}

    @functools.cache  # noqa: B019
    def step(self, way: Way) -> tuple[Callable, optax.GradientTransformation]:
        """The compiled step of a way, and its optimizer."""
        config = self.config
        task = MlsfTask(config)
        model = Text2Pose(config.model, compute_dtype(config.model.dtype))
        reward = rewarding(self.readers[0], self.group)
        rule = dataclasses.replace(config.optimizer, learning_rate=way.learning_rate, warmup=20)
        optimizer = make_optimizer(rule, jnp.asarray(way.steps))

        def step(params: Tree, state, batch: Batch, ids: Array, key: Array):
            noise_key, usual_key = jax.random.split(key)
            text = jnp.repeat(ids, SAMPLES, 0)
            noise = jax.random.normal(noise_key, (len(text), generation.draws(config.model)))
            fixed = jax.lax.stop_gradient(params)
            most = config.eval.max_frames
            frames, length, latent = latent_policy.sample(model, fixed, text, noise, most)
            rewards = reward(frames, length, text)
            advantage = latent_policy.advantages(rewards.reshape(TEXTS, SAMPLES)).reshape(-1)

            def loss(params):
                policy = latent_policy.surrogate(model, params, text, latent, advantage)
                usual = way.usual * task.loss(params, batch, usual_key)[0] if way.usual else 0
                return policy * way.policy + usual

            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), state, rewards.mean()

        return jax.jit(step, donate_argnums=(0, 1)), optimizer


def measure(ground: Ground, way: Way, seed: int) -> dict:
    """Trains further in a way, and judges samples of the test texts before and after.

    Args:
        ground: Model to start from, with its data and readers.
        way: Way of further training.
        seed: Seed of all draws.

    Returns:
        `start` and `test`. In each, `cer` is that of the judging reader, `diversity` the mean
        distance between samples of a text, and `reward` the mean log-probability of a letter by the
        rewarding reader over the first (`start`) or last (`test`) tenth of the steps.
    """
    params, rewards = _train_on(ground, way, seed)
    tenth = max(len(rewards) // 10, 1)
    return {
        "start": ground.judge(ground.start, seed) | {"reward": float(np.mean(rewards[:tenth]))},
        "test": ground.judge(params, seed) | {"reward": float(np.mean(rewards[-tenth:]))},
    }


def _train_on(ground: Ground, way: Way, seed: int) -> tuple[Tree, list[float]]:
    """The parameters [1, ...] after further training, and the mean reward of each step."""
    config, data = ground.config, ground.config.data
    rows = batches.TrainData.of(config, [ground.train], [ground.group])
    random = np.random.default_rng([seed, 1])
    first = config.train.steps + seed * way.steps  # every seed has other rows
    rewards = []
    with sharding.use_mesh(sharding.make_mesh({}, jax.devices()[:1])):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), ground.start)
        step, optimizer = ground.step(way)
        state = optimizer.init(params)
        for number in range(way.steps):
            ids = np.zeros((TEXTS, data.row_tokens), np.int32)
            for row, index in zip(ids, random.integers(len(ground.train), size=TEXTS)):
                encoded = ground.group.needed_tokenizer.encode(ground.train.texts[index])
                row[: len(encoded)] = encoded
            batch = rows.batch(first + number, [0], range(config.train.batch_size))
            key = jax.random.fold_in(jax.random.key(seed), number)
            batch = jax.tree.map(lambda x: x[0], batch)
            params, state, reward = step(params, state, batch, ids, key)
            rewards.append(float(reward))
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params), rewards


def rewarding(reader: Reader, group: Group) -> Callable[[Array, Array, Array], Array]:
    """A reader's function of frames [N, F, D - 1], lengths [N] and texts [N, S] to rewards [N]."""
    width, layers = reader.config.width, reader.config.layers
    module = PoseReader(group.needed_tokenizer.size, width, layers=layers)
    weights: Mapping = jax.tree.map(lambda leaf: leaf[0], reader.params)
    shown = np.repeat(group.needed_statistics.seen > 0, 3)

    def reward(frames, length, text):
        logits, padding = module.apply({"params": weights}, frames * shown, length)
        logits = logits.at[..., UNKNOWN].set(NEVER)
        return latent_policy.log_probability(logits, padding, text)

    return reward
