"""Trains MLSF: from text to frames, one group per language."""

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.config import LossConfig
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.typing import Array
from signllm_jax.data.batches import TrainData
from signllm_jax.data.corruption import open_train
from signllm_jax.models import mlsf, robust
from signllm_jax.models.apply import apply
from signllm_jax.models.history import teacher_forcing
from signllm_jax.models.layers import flow
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.layers.variety import Seen
from signllm_jax.models.losses import (
    clip_losses,
    joint_weights,
    masked_mean,
    pose_losses,
    weighted_sum,
)
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.rl import plc, policy
from signllm_jax.rl.clips import unpack
from signllm_jax.rl.reward import clip_errors, reward_loss, sequence_errors
from signllm_jax.train.dev import DevSet
from signllm_jax.train.task import Task


def corrupt(
    history: Array, counter: Array, key: Array, config: LossConfig, unit: Array | float = 1.0
):
    """Corrupts the decoder's input in training, so that the decoder relies on the text as well.

    Some patches are blanked; noise is added to the others and to the counter. The first patch of a
    clip (counter 0) keeps its counter.

    Args:
        history: Previous patches [B, N, P (D - 1)].
        counter: float32 [B, N].
        key: Random key.
        config: Share of blanked patches and standard deviations of the noise.
        unit: float32 [B, N], factor of the standard deviation of the counter.

    Returns:
        The corrupted history and counter, with the same shapes.
    """
    noise_key, drop_key, counter_key = jax.random.split(key, 3)
    history = history + config.noise * jax.random.normal(noise_key, history.shape)
    keep = jax.random.bernoulli(drop_key, 1 - config.history_drop, counter.shape)
    begun = counter > 0
    history = history * (keep & begun)[..., None]
    noise = config.counter_noise * unit * jax.random.normal(counter_key, counter.shape)
    return history, jnp.where(begun, jnp.maximum(counter + noise, 1e-3), 0.0)


def noised(batch, key: Array, patch: int) -> tuple[Array, Array]:
    """Packed clips between noise and data, each at its own flow time.

    Args:
        batch: Batch [B, T, ...]; joints that are not observed end at 0.
        key: Random key.
        patch: P, frames per patch.

    Returns:
        The patches [B, N, P (D - 1)] and the times float32 [B, N], 0 on padding.
    """
    time_key, noise_key = jax.random.split(key)
    frames = batch.frames[..., :-1] * jnp.repeat(batch.joint_mask, 3, -1)
    time = of_frames(jax.random.uniform(time_key, batch.example.shape), batch.segment)
    point = flow.on_the_way(frames, time, noise_key)
    return point.reshape(len(point), -1, patch * point.shape[-1]), time[:, ::patch]


def of_frames(values: Array, segment: Array) -> Array:
    """Repeats clips' values [B, K] on their frames, segment int32 [B, T]; 0 on padding."""
    repeated = jnp.take_along_axis(values, jnp.maximum(segment - 1, 0), axis=1)
    return jnp.where(segment > 0, repeated, 0.0)


def tokens_of(segment: Array, text_segment: Array) -> Array:
    """Number of tokens in the text of each frame's clip, float32 [B, T], 1 on padding."""
    same = (segment[:, :, None] == text_segment[:, None, :]) & (segment[:, :, None] > 0)
    return jnp.maximum(same.sum(-1), 1).astype(jnp.float32)


class MlsfTask(Task):
    """One Text2Pose per language; keeps the best free-running score on dev (`eval/judge.py`)."""

    lead = "score"
    lead_title = "score (distance / mean pose, plus what hand travel lacks; lower is better)"
    rewards = True

    def init_lane(self, key):
        """See Task."""
        return mlsf.init_group(self.config.model, key)

    @property
    def _model(self):
        return Text2Pose(self.config.model, compute_dtype(self.config.model.dtype))

    @property
    def _autoregressive(self):
        return self.config.model.decoder == "autoregressive"

    def _seen(self, batch, key) -> Seen | None:
        """The clips of a batch with noise for their latents, if the model reads clips."""
        model, rows = self.config.model, batch.example.shape
        if self._autoregressive and not model.latent and not model.token_durations:
            return None
        noise = jax.random.normal(jax.random.fold_in(key, 2), (*rows, model.latent))
        even = np.isin(np.arange(len(batch.text)), plc.host_rows(self.config))
        return Seen(batch.frames[..., :-1], batch.joint_mask, batch.segment, noise, even)

    def loss(self, params, batch, key, learning=None):
        """See Task; predicts frames from a corrupted history with teacher forcing."""
        config = self.config
        corrupt_key, dropout_key = jax.random.split(key)
        history, counter, segment = teacher_forcing(batch.frames, batch.segment, config.model.patch)
        tokens = tokens_of(batch.segment, batch.text_segment) if config.model.token_clock else None
        seen = self._seen(batch, key)
        if self._autoregressive:
            unit = 1.0 if tokens is None else 1 / tokens[:, :: config.model.patch]
            history, counter = corrupt(history, counter, corrupt_key, config.loss, unit)
        time = None
        if config.model.flow:
            history, time = noised(batch, corrupt_key, config.model.patch)
        outputs = apply(
            self._model,
            params,
            batch.text,
            batch.text_segment,
            history,
            counter,
            segment,
            training=True,
            seen=seen,
            time=time,
            rngs={"dropout": dropout_key},
        )
        predicted, clip_outputs = (outputs, None) if seen is None else outputs
        if not self._autoregressive:  # its progress is given: only the length can be wrong
            predicted = predicted._replace(counter=batch.frames[..., -1])
        weights = joint_weights(get_layout(config.data.layout), config.loss.hand, config.loss.wrist)
        importance = None if learning is None else learning.importance
        if config.loss.robust in robust.BY_CLIP:
            error, _ = self._errors(batch, predicted.frames, weights)
            importance = robust.clip_weights(error, config.loss.robust, config.loss.outlier)
        weight = None if importance is None else of_frames(importance, batch.segment)
        terms = pose_losses(
            batch.frames,
            batch.joint_mask,
            batch.segment,
            predicted,
            weights,
            config.loss,
            weight,
            tokens,
        )
        if clip_outputs is not None:
            terms |= clip_losses(clip_outputs, batch.segment, importance)
            terms["loss"] = weighted_sum(terms, config.loss)
        if importance is not None and config.loss.robust in robust.BY_CLIP:
            terms["outliers"] = masked_mean(importance < 1, batch.example >= 0)
        terms["frames"] = (batch.segment > 0).sum().astype(jnp.float32)
        if learning is not None:
            terms = self._rewarded(params, batch, key, predicted.frames, weights, terms, learning)
        return terms["loss"], terms

    def _errors(self, batch, predicted, weights):
        """The error of every clip and the number of values it is averaged over, both [B, K]."""
        frames, clips = batch.frames[..., :-1], batch.example.shape[1]
        return clip_errors(frames, batch.joint_mask, batch.segment, predicted, weights, clips)

    def _rewarded(self, params, batch, key, predicted, weights, terms, learning):
        """The terms with `config.rl.loss`, and the error of every clip."""
        rl = self.config.rl
        error, count = self._errors(batch, predicted, weights)
        terms["clip_error"] = error
        if rl.loss == "reward":
            importance = learning.importance
            importance = jnp.ones_like(error) if importance is None else importance
            terms["frame"] = reward_loss(error, count, importance)
            terms["loss"] = weighted_sum(terms, self.config.loss)
        elif rl.loss == "policy_gradient":
            frames, tokens = rl.clip_frames or batch.frames.shape[1], batch.text.shape[1]
            chosen = unpack(batch, frames, rl.clip_tokens or tokens)
            sigma = policy.deviation(learning.progress, 1, rl.deviation, rl.final_deviation)
            gradient = policy.policy_loss(
                self._model, params, chosen, weights, sigma, jax.random.fold_in(key, 1), rl.reward
            )
            loss = rl.supervised * terms["loss"] + rl.policy * gradient
            terms |= {"loss": loss, "policy": gradient}
        return terms

    def free_running_errors(self, params, clips):
        """See Task."""
        patches = clips.frames.shape[1] // self.config.model.patch
        made, _, _, length = policy.rollout(
            self._model, params, clips.text, patches, seen=policy.shown(self._model, clips)
        )
        return sequence_errors(
            clips.frames, clips.mask, clips.length, made, length, self.config.rl.reward
        )

    def train_data(self, languages, groups):
        """See Task."""
        sources = [open_train(self.config.data, code) for code in languages]
        return TrainData.of(self.config, sources, groups)

    def dev_set(self, languages, groups, mesh, workdir=None):
        """See Task."""
        return DevSet(self.config, languages, groups, mesh, workdir)
