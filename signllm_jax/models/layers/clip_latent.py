"""What sets a clip apart from the others of its text: one vector a clip, and its distributions.

A conditional variational autoencoder: Sohn et al., Learning structured output representation using
deep conditional generative models, NeurIPS 2015.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.bfloat16 import gelu
from signllm_jax.models.layers.blocks import Dense

HIDDEN = 128
"""Features of a frame and of a clip that the posterior is made of."""
PRIOR_HIDDEN = 64
_WIDEST = 8.0  # log variances are held within +-


class Normal(NamedTuple):
    """Normal distributions with independent numbers.

    Attributes:
        mean: float32 [..., Z].
        log_variance: float32 [..., Z].
    """

    mean: Array
    log_variance: Array

    def at(self, noise: Array | float) -> Array:
        """The point at standard normal noise [..., Z]: 0 is the mean."""
        return self.mean + jnp.exp(0.5 * self.log_variance) * noise

    def divergence(self, other: "Normal") -> Array:
        """The Kullback-Leibler divergence of this from `other`, in nats [...]."""
        ratio = jnp.exp(self.log_variance - other.log_variance)
        away = jnp.square(self.mean - other.mean) * jnp.exp(-other.log_variance)
        return 0.5 * (ratio + away - 1 + other.log_variance - self.log_variance).sum(-1)


def clip_rows(segment: Array, clips: int) -> Array:
    """float32 [B, N, K], 1 where a place of a packed row is of clip k: segment k + 1."""
    return (segment[..., None] == jnp.arange(1, clips + 1)).astype(jnp.float32)


def of_clips(values: Array, segment: Array) -> Array:
    """[B, N, M]: the value [B, K, M] of each place's clip, by segment int32 [B, N]."""
    return jnp.einsum("bnk,bkm->bnm", clip_rows(segment, values.shape[1]), values)


def clip_means(values: Array, own: Array) -> Array:
    """The mean [B, K, F] of values [B, N, F] over each clip's own places [B, N, K]."""
    count = jnp.maximum(own.sum(1), 1.0)
    return jnp.einsum("bnk,bnf->bkf", own, values) / count[..., None]


class ClipLatent(nn.Module):
    """The prior of a clip's latent given its text, and the posterior given the clip as well.

    Both read packed rows, and nothing of a clip reaches the latent of another.

    Attributes:
        size: Z.
    """

    size: int

    def setup(self):
        """Declares the layers."""
        self.frame = Dense(HIDDEN, ("patch", "width"))
        self.clip = Dense(HIDDEN, ("width", "width"))
        self.found = Dense(2 * self.size, ("width", "latent"), scale=0.1)
        self.text = Dense(PRIOR_HIDDEN, ("width", "width"))
        self.expected = Dense(2 * self.size, ("width", "latent"), scale=0.01)

    def prior(self, text: Array, text_segment: Array, clips: int) -> Normal:
        """What is expected of a text's clips.

        Args:
            text: [B, S, M], the embedded tokens.
            text_segment: int32 [B, S], 0 = padding.
            clips: K.

        Returns:
            Of every clip of a row, [B, K, Z].
        """
        mean = clip_means(text.astype(jnp.float32), clip_rows(text_segment, clips))
        return self._normal(self.expected(gelu(self.text(mean))))

    def posterior(
        self, frames: Array, joint_mask: Array, segment: Array, text_segment: Array, clips: int
    ) -> Normal:
        """What a clip says of its latent: by its poses, its motion, the joints shown and its tempo.

        Args:
            frames: float32 [B, T, D - 1], standardised.
            joint_mask: bool [B, T, J], the observed joints.
            segment: int32 [B, T], 0 = padding.
            text_segment: int32 [B, S].
            clips: K.

        Returns:
            Of every clip of a row, [B, K, Z].
        """
        frames = jnp.where(jnp.repeat(joint_mask, 3, axis=-1), frames, 0.0)
        follows = (segment[:, 1:] == segment[:, :-1])[..., None]
        both = jnp.repeat(joint_mask[:, 1:] & joint_mask[:, :-1] & follows, 3, axis=-1)
        motion = jnp.pad(jnp.where(both, jnp.diff(frames, axis=1), 0.0), ((0, 0), (1, 0), (0, 0)))
        seen = jnp.concatenate([frames, motion, joint_mask.astype(jnp.float32)], -1)
        own, spoken = clip_rows(segment, clips), clip_rows(text_segment, clips)
        mean = clip_means(gelu(self.frame(seen)), own)
        counts = jnp.stack([own.sum(1), spoken.sum(1)], -1)
        mean = jnp.concatenate([mean, jnp.log(jnp.maximum(counts, 1.0))], -1)
        return self._normal(self.found(gelu(self.clip(mean))))

    def _normal(self, numbers: Array) -> Normal:
        mean, log_variance = jnp.split(numbers.astype(jnp.float32), 2, -1)
        return Normal(mean, jnp.clip(log_variance, -_WIDEST, _WIDEST))
