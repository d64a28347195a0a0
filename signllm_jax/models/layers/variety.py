"""What varies between the clips of one text: which hands are shown, and a latent code.

A conditional variational autoencoder (Kingma and Welling 2014; Sohn et al. 2015). Which hands are
shown is read off a clip and predicted from its text; a Gaussian code of Z numbers holds the rest.
Both belong to a clip as a whole: all its patches read the same, so that none mixes two signers.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from signllm_jax.core.skeleton import LAYOUTS, Layout
from signllm_jax.core.typing import Array
from signllm_jax.models.layers.bfloat16 import gelu
from signllm_jax.models.layers.blocks import Dense
from signllm_jax.models.layers.pooling import clip_means, clip_moments, members

HANDS = ("neither", "right", "left", "both")
"""Which hands a clip shows."""
SHOWN = 0.1
"""Share of a clip's frames from which on a hand counts as shown."""
HIDDEN = 64
"""Features of whole clips and texts."""
OF_PATCH, WEIGHTS = 96, 120_000
"""Features of a patch, and how many weights there are for them at most."""
FIRST_PACE = 8.0
"""Frames of a token that the length starts from."""
WIDEST = 3.0
"""Largest logarithm of a deviation; the smallest is minus that."""


class Seen(NamedTuple):
    """The true clips of packed rows, as what varies is read off them.

    Attributes:
        frames: float32 [B, T, D - 1], standardized.
        mask: bool [B, T, J], the observed joints.
        segment: int32 [B, T], 0 = padding.
        noise: float32 [B, K, Z], standard normal draws for the K clips of a row; 0 = the mean.
        even: bool [B], whether a row's clips come as often as the data has them. Others, which were
            drawn by priority, do not teach what to expect of a text.
    """

    frames: Array
    mask: Array
    segment: Array
    noise: Array
    even: Array


class Told(NamedTuple):
    """What a model says of whole clips.

    Attributes:
        surplus: float32 [B, K], how much more a clip tells than its text, in nats: what its code
            and its hands cost. 0 without a latent code.
        length: float32 [B, K], the logarithm of its frames; None where neither a parallel decoder
            nor durations of tokens need it.
    """

    surplus: Array
    length: Array | None


def nothing_seen(patch: int, frame_size: int, latent: int) -> Seen:
    """One clip of one patch that shows nothing, for what asks for shapes alone."""
    return Seen(
        jnp.zeros((1, patch, frame_size - 1)),
        jnp.zeros((1, patch, frame_size // 3), bool),
        jnp.ones((1, patch), jnp.int32),
        jnp.zeros((1, 1, latent)),
        jnp.ones(1, bool),
    )


def layout_of(frame_size: int) -> Layout:
    """The layout whose frames have D numbers."""
    return next(layout for layout in LAYOUTS.values() if layout.frame_size == frame_size)


def shown_hands(
    mask: Bool[Array, "B T J"], segment: Int[Array, "B T"], clips: int
) -> Float[Array, "B clips 4"]:
    """Which hands each clip shows: one of HANDS, as float32 [B, K, 4] with a single 1.

    Args:
        mask: bool [B, T, J], the observed joints.
        segment: int32 [B, T].
        clips: K.
    """
    groups = layout_of(3 * mask.shape[-1] + 1).groups
    sides = [mask[..., list(groups[f"{side}_hand"])].any(-1) for side in ("right", "left")]
    share = clip_means(jnp.stack(sides, -1), segment, clips)
    right, left = jnp.moveaxis(share >= SHOWN, -1, 0)
    return jax.nn.one_hot(right + 2 * left, len(HANDS))


def hidden_joints(frame_size: int) -> Float[Array, "4 J"]:
    """float32 [4, J]: 1 for the joints that a clip of each of HANDS does not show."""
    layout = layout_of(frame_size)
    hidden = np.zeros((len(HANDS), layout.size), np.float32)
    for row, name in enumerate(HANDS):
        for side in {"right", "left"} - ({"right", "left"} if name == "both" else {name}):
            hidden[row, list(layout.groups[f"{side}_hand"])] = 1
    return hidden


class Variety(nn.Module):
    """p(hands | text), p(code | text, hands) and q(code | clip).

    A latent is [B, K, Z + 4]: the code and then the hands.

    Attributes:
        size: Z; 0 = the hands alone.
        inputs: P (D - 1), numbers of a patch.
        moments: cosines of a clip's time that the code is read from beside its mean.
    """

    size: int
    inputs: int
    moments: int = 0

    def setup(self):
        """Declares the layers; they are small, and every device has all of them."""
        self.hands = Dense(len(HANDS), ("embed", "width"), scale=0.01)
        if not self.size:
            return
        self.prior_text = Dense(HIDDEN, ("embed", "width"))
        self.prior_hands = Dense(HIDDEN, ("width", "width"))
        self.prior = Dense(2 * self.size, ("width", "width"), scale=0.01)
        self.patch = Dense(min(OF_PATCH, WEIGHTS // self.inputs), ("patch", "width"))
        self.clip = Dense(HIDDEN, ("width", "width"))
        self.clip_text = Dense(HIDDEN, ("embed", "width"))
        self.posterior = Dense(2 * self.size, ("width", "width"), scale=0.1)

    def draw(
        self, text: Float[Array, "B K M"], noise: Float[Array, "B K latent"]
    ) -> Float[Array, "B K latent"]:
        """A latent of each clip.

        Args:
            text: float32 [B, K, M], the mean over a text's tokens.
            noise: float32 [B, K, Z + 4], standard normal draws times the temperature, for the code
                and the hands; 0 = the most probable.

        Returns:
            [B, K, Z + 4].
        """
        # as Gumbel noise, whose largest sum with the logits is a draw by their probability
        even = jax.scipy.special.ndtr(jnp.clip(noise[..., self.size :], -4.0, 4.0))
        chosen = (self.hands(text) - jnp.log(-jnp.log(even))).argmax(-1)
        hands = jax.nn.one_hot(chosen, len(HANDS))
        if not self.size:
            return hands
        mean, deviation = self._prior(text, hands)
        return jnp.concatenate([mean + jnp.exp(deviation) * noise[..., : self.size], hands], -1)

    def recognize(
        self, text: Float[Array, "B K M"], seen: Seen, patch: int, tokens: Float[Array, "B K"]
    ) -> tuple[Float[Array, "B K latent"], Float[Array, "B K"]]:
        """The latent of each true clip, and how much more it tells than the text, in nats.

        Args:
            text: float32 [B, K, M], the mean over a text's tokens.
            seen: the clips.
            patch: P.
            tokens: float32 [B, K], of each text.

        Returns:
            [B, K, Z + 4] and float32 [B, K], the divergence of q(code | clip) from the prior and
            minus the logarithm of the hands' probability.
        """
        clips = seen.noise.shape[1]
        hands = shown_hands(seen.mask, seen.segment, clips)
        even = seen.even[:, None, None]

        def known(x):  # what a text lets expect is learned from rows in the data's order alone
            return jnp.where(even, x, jax.lax.stop_gradient(x))

        if not self.size:
            return hands, -(known(jax.nn.log_softmax(self.hands(text))) * hands).sum(-1)
        posterior = mean, deviation = self._posterior(text, seen, patch, tokens, hands)
        expected = *self._prior(text, hands), jax.nn.log_softmax(self.hands(text))
        of_text, deviation_of_text, logp = map(known, expected)
        surplus = divergence(posterior, (of_text, deviation_of_text)) - (logp * hands).sum(-1)
        return jnp.concatenate([mean + jnp.exp(deviation) * seen.noise, hands], -1), surplus

    def log_probability(
        self, text: Float[Array, "B K M"], latent: Float[Array, "B K latent"]
    ) -> Float[Array, "B K"]:
        """log p(latent | text), float32 [B, K], up to a constant.

        Args:
            text: float32 [B, K, M], the mean over a text's tokens.
            latent: [B, K, Z + 4].
        """
        code, hands = latent[..., : self.size], latent[..., self.size :]
        mean, deviation = self._prior(text, hands)
        near = -0.5 * jnp.square((code - mean) * jnp.exp(-deviation)) - deviation
        return near.sum(-1) + (jax.nn.log_softmax(self.hands(text)) * hands).sum(-1)

    def _prior(
        self, text: Float[Array, "B K M"], hands: Float[Array, "B K 4"]
    ) -> tuple[Float[Array, "B K Z"], Float[Array, "B K Z"]]:
        hidden = gelu(self.prior_text(text) + self.prior_hands(hands))
        return _halves(self.prior(hidden))

    def _posterior(
        self,
        text: Float[Array, "B K M"],
        seen: Seen,
        patch: int,
        tokens: Float[Array, "B K"],
        hands: Float[Array, "B K 4"],
    ) -> tuple[Float[Array, "B K Z"], Float[Array, "B K Z"]]:
        frames = seen.frames * jnp.repeat(seen.mask, 3, -1)
        patches = gelu(self.patch(frames.reshape(len(frames), -1, frames.shape[-1] * patch)))
        clips = hands.shape[1]
        count = members(seen.segment, clips).sum(1)
        pace = jnp.log(jnp.maximum(count, 1) / (FIRST_PACE * jnp.maximum(tokens, 1)))
        segment = seen.segment[:, ::patch]
        features = [clip_means(patches, segment, clips)]
        if self.moments:
            features.append(clip_moments(patches, segment, clips, self.moments))
        features = jnp.concatenate([*features, hands, pace[..., None]], -1)
        return _halves(self.posterior(gelu(self.clip(features) + self.clip_text(text))))


def divergence(
    first: tuple[Float[Array, "... Z"], Float[Array, "... Z"]],
    second: tuple[Float[Array, "... Z"], Float[Array, "... Z"]],
) -> Float[Array, "..."]:
    """The Kullback-Leibler divergence of first Gaussian from another, in nats [...].

    Args:
        first: means [..., Z] and logarithms of deviations [..., Z].
        second: the same.
    """
    (mean, deviation), (other_mean, other_deviation) = first, second
    apart = jnp.exp(2 * (deviation - other_deviation))
    apart += jnp.square(mean - other_mean) * jnp.exp(-2 * other_deviation)
    return (0.5 * (apart - 1) + other_deviation - deviation).sum(-1)


def _halves(
    values: Float[Array, "... two_Z"],
) -> tuple[Float[Array, "... Z"], Float[Array, "... Z"]]:
    """Means, and logarithms of deviations within WIDEST."""
    mean, deviation = jnp.split(values, 2, -1)
    return mean, WIDEST * jnp.tanh(deviation / WIDEST)


class Length(nn.Module):
    """The logarithm of a clip's frames from its text and its latent."""

    @nn.compact
    def __call__(
        self,
        text: Float[Array, "B K M"],
        tokens: Float[Array, "B K"],
        latent: Float[Array, "B K latent"] | None = None,
    ) -> Float[Array, "B K"]:
        """text [B, K, M], tokens [B, K] and a latent [B, K, ...] or None -> float32 [B, K]."""
        hidden = Dense(HIDDEN, ("embed", "width"), name="text")(text)
        if latent is not None:
            hidden = hidden + Dense(HIDDEN, ("width", "width"), name="latent")(latent)
        pace = Dense(1, ("width", "width"), scale=0.01, name="pace")(gelu(hidden))[..., 0]
        return jnp.log(FIRST_PACE * jnp.maximum(tokens, 1)) + pace
