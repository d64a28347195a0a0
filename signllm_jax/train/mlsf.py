"""Training MLSF: text in, frames out, one group a language."""

import jax
import jax.numpy as jnp

from signllm_jax.config import LossConfig
from signllm_jax.data import pipeline, source
from signllm_jax.losses import joint_weights, pose_losses
from signllm_jax.models import mlsf
from signllm_jax.models.text2pose import Text2Pose, teacher_forcing
from signllm_jax.nn.precision import compute_dtype
from signllm_jax.skeleton import get_layout
from signllm_jax.train import groups
from signllm_jax.train.dev import DevSet
from signllm_jax.train.task import Task
from signllm_jax.typing import Array


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


class MlsfTask(Task):
    """One Text2Pose a language, kept at its best free-running DTW on dev."""

    lead = "dtw_mean_pose_ratio"
    lead_title = "DTW ratio to the mean pose"

    def init_lane(self, key):
        """See Task."""
        return mlsf.init_group(self.config.model, key)

    def loss(self, params, batch, key):
        """See Task; the frames are predicted teacher-forced from a corrupted history."""
        config = self.config
        model = Text2Pose(config.model, compute_dtype(config.model.dtype))
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
        terms = pose_losses(
            batch.frames,
            batch.joint_mask,
            batch.segment,
            predicted,
            joint_weights(get_layout(config.data.layout), config.loss.hand, config.loss.wrist),
            config.loss,
        )
        frames = (batch.segment > 0).sum().astype(jnp.float32)
        return terms["loss"], terms | {"frames": frames}

    def open_groups(self, languages, workdir):
        """See Task."""
        return groups.open_groups(self.config, languages, workdir)

    def train_data(self, languages, groups):
        """See Task."""
        config = self.config
        name, folder = config.data.dataset, config.data.data_dir or None
        return pipeline.TrainData(
            [source.open_split(name, code, "train", folder) for code in languages],
            [group.tokenizer for group in groups],
            [group.statistics for group in groups],
            batch_size=config.train.batch_size,
            seed=config.train.seed,
            row_frames=config.data.row_frames,
            row_tokens=config.data.row_tokens,
            row_clips=config.data.row_clips,
            patch=config.model.patch,
            cache_mb=config.data.cache_mb,
        )

    def dev_set(self, languages, groups, mesh):
        """See Task."""
        return DevSet(self.config, languages, groups, mesh)
