"""Embeddings: tokens, places in a sequence, and progress through a clip or a text."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from signllm_jax.core.typing import Array, TokenScores
from signllm_jax.models.layers.named import named


def progress_features(
    progress: Float[Array, "..."], count: int, highest: float = 64.0
) -> Float[Array, "... count"]:
    """Fourier features of a progress in 0..1, in float32.

    Token positions and counters share them, so that attention can match a place in the text
    with a time in the clip. The frequencies run geometrically from half a cycle to `highest`.

    Args:
        progress: [...], 0 at the start and 1 at the end.
        count: number of features, even.
        highest: cycles over the whole progress of the highest frequency.

    Returns:
        float32 [..., count].
    """
    cycles = np.geomspace(0.5, highest, count // 2).astype(np.float32)
    angle = progress.astype(jnp.float32)[..., None] * (2 * np.pi * cycles)
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)


def segment_positions(segment: Int[Array, "B S"]) -> tuple[Int[Array, "B S"], Int[Array, "B S"]]:
    """Place and length within each segment of a packed row.

    Args:
        segment: int32 [B, S], 0 = padding; the places of one segment are next to each other.

    Returns:
        The position from 0, and the length of its segment; 0 on padding.
    """
    same = (segment[:, :, None] == segment[:, None, :]) & (segment[:, :, None] > 0)
    before = np.tri(segment.shape[1], k=-1, dtype=bool)
    return (same & before).sum(-1), same.sum(-1)


def sinusoids(position: Int[Array, "B N"], width: int) -> Float[Array, "B N width"]:
    """Transformer position features: position int [B, N] -> float32 [B, N, width].

    Of more than one position a row all are below N: they are read from a table of N, by a product.
    """
    count = position.shape[-1]
    rate = np.exp(-np.log(10_000.0) * np.arange(width // 2) / max(width // 2, 1)).astype(np.float32)
    known = position if count == 1 else jnp.arange(count)
    angle = known.astype(jnp.float32)[..., None] * rate
    features = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)
    return features if count == 1 else jax.nn.one_hot(position, count) @ features


def phase_features(position: Float[Array, "..."], harmonics: int) -> Float[Array, "... features"]:
    """[..., 2 harmonics]: sines and cosines of a position in tokens, of period 1 and its parts."""
    angle = 2 * jnp.pi * position[..., None] * jnp.arange(1, harmonics + 1)
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)


class Embed(nn.Module):
    """Token rows: int32 [B, S] -> [B, S, features]."""

    rows: int
    features: int

    @nn.compact
    def __call__(self, token: Int[Array, "B S"]) -> Float[Array, "B S features"]:
        """Looks the tokens up."""
        table = self.param(
            "embedding",
            named(nn.initializers.normal(1.0), "vocab", "embed"),
            (self.rows, self.features),
        )
        return jnp.take(table, token, axis=0)


class MarkedEmbed(nn.Module):
    """E(language) + E(gloss) of LangGloss tokens, and scores of both by the same tables.

    Attributes:
        rows: V, rows of the gloss table.
        languages: rows of the language table; row 0 is that of padding and of the start.
        features: M.
    """

    rows: int
    languages: int
    features: int

    def setup(self):
        """Declares both tables."""
        init = nn.initializers.normal(self.features**-0.5)
        gloss = named(init, "vocab", "embed")
        self.gloss = self.param("gloss", gloss, (self.rows, self.features))
        language = named(init, None, "embed")  # few rows: not worth splitting
        self.language = self.param("language", language, (self.languages, self.features))

    def __call__(self, token: Int[Array, "B N"]) -> Float[Array, "B N M"]:
        """int32 [B, N] -> [B, N, M], of unit variance."""
        language = jnp.take(self.language, token // self.rows, axis=0)
        gloss = jnp.take(self.gloss, token % self.rows, axis=0)
        return (gloss + language) * (self.features / 2) ** 0.5

    def scores(self, x: Float[Array, "... M"]) -> TokenScores:
        """x [..., M] -> logits of languages and glosses."""
        x = x.astype(jnp.float32)
        return TokenScores(jnp.dot(x, self.gloss.T), jnp.dot(x, self.language.T))


class UnitEmbed(nn.Module):
    """A unit's own row and the mean of its n-grams' rows.

    Attributes:
        rows: rows of the unit table.
        buckets: rows of the hashed n-grams; 0 = units have none.
        features: M.
    """

    rows: int
    buckets: int
    features: int

    @nn.compact
    def __call__(self, units: Int[Array, "B S grams"]) -> Float[Array, "B S M"]:
        """int32 [B, S, 1 + G], the unit and then its n-grams (0 = none), -> [B, S, M]."""
        init = named(nn.initializers.normal(1.0), "vocab", "embed")
        table = self.param("unit", init, (self.rows, self.features))
        x = jnp.take(table, units[..., 0], axis=0)
        if self.buckets:
            grams = units[..., 1:]
            table = self.param("gram", init, (self.buckets, self.features))
            there = (grams > 0)[..., None]
            total = (jnp.take(table, grams, axis=0) * there).sum(-2)
            x = x + total * jax.lax.rsqrt(jnp.maximum(there.sum(-2), 1).astype(jnp.float32))
        return x
