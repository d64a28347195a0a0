"""Pose2Text: the encoder-decoder that reads signing, pose frames in, text tokens out.

The encoder and the gloss head follow Camgoz et al., Sign Language Transformers, CVPR 2020:
self-attention over steps of P frames and CTC on gloss; the decoder writes the text token by token.
Two additions, each with a switch. The encoder may be held to a short view, since one that sees a
whole word can guess a badly formed letter from its neighbors and would be a poor judge. And every
step says how much of a text token it is worth (integrate-and-fire: Dong and Xu, CIF, ICASSP 2020);
the running count biases cross-attention towards the steps whose turn it is and says when the text
is complete. It mirrors the progress bias of Text2Pose.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from signllm_jax.core.config import ModelConfig, ReadingConfig
from signllm_jax.core.typing import Array
from signllm_jax.models.layers.bias import nearness, nearness_params, place_bias, place_params
from signllm_jax.models.layers.blocks import Block, Dense, Norm
from signllm_jax.models.layers.embed import Embed, segment_positions, sinusoids
from signllm_jax.models.layers.named import named
from signllm_jax.models.layers.steps import Steps, packed_steps
from signllm_jax.parallel.sharding import constrain

END = 0
"""The padding id, which no text has, ends a text."""


class Memory(NamedTuple):
    """What the encoder makes of B rows of N steps.

    Attributes:
        keys_values: of each decoder layer.
        segment: int32 [B, N], which clip of the row a step belongs to, 0 = padding.
        count: float32 [B, N], text tokens that were signed until the middle of a step.
        total: float32 [B, N], text tokens of the step's whole clip.
        gloss: float32 [B, N, gloss ids], logits with the blank first; None without a gloss head.
    """

    keys_values: tuple
    segment: Array
    count: Array
    total: Array
    gloss: Array | None


def with_ends(
    text: Int[Array, "B S"], segment: Int[Array, "B S"], clips: int
) -> tuple[Int[Array, "B tokens"], Int[Array, "B tokens"]]:
    """Makes room for the end of each text of a packed row.

    Args:
        text: int32 [B, S], the texts of a row one after the other, 0 = padding.
        segment: int32 [B, S], 1, 2, ... as the texts follow each other, 0 = padding.
        clips: K, the most texts of a row.

    Returns:
        Both as int32 [B, S + K], an END after each text as a part of its segment.
    """
    moved = jnp.where(segment > 0, jnp.arange(text.shape[1]) + segment - 1, -1)
    # one product instead of a scatter, which would have to be kept within its language
    hit = moved[:, None, :] == jnp.arange(text.shape[1] + clips)[:, None]
    text, segment = (jnp.where(hit, x[:, None, :], 0).sum(-1) for x in (text, segment))
    before = jnp.pad(segment, ((0, 0), (1, 0)))[:, :-1]
    return text, jnp.where(segment == 0, before, segment)


def onsets(gloss: Float[Array, "B N ids"], segment: Int[Array, "B N"]) -> Float[Array, "B N"]:
    """How probably a gloss begins at each step.

    In a CTC path that is a step whose gloss is not the one of the step before.

    Args:
        gloss: float32 [B, N, gloss ids], CTC logits.
        segment: int32 [B, N], which clip of the row a step belongs to.

    Returns:
        float32 [B, N] in 0..1.
    """
    probability = jax.nn.softmax(jax.lax.stop_gradient(gloss))[..., 1:]
    before = jnp.pad(probability, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    before = before * (segment == jnp.pad(segment, ((0, 0), (1, 0)))[:, :-1])[..., None]
    return jnp.clip((probability * (1 - before)).sum(-1), 0.0, 1.0)


class Pose2Text(nn.Module):
    """The reader of one language.

    Attributes:
        config: sizes; `patch` frames make a step.
        reading: view, gloss ids and what training does.
        dtype: compute type; counts, heads and softmax stay float32.
    """

    config: ModelConfig
    reading: ReadingConfig
    dtype: DTypeLike = jnp.float32

    def setup(self):
        """Declares the layers."""
        c = self.config
        block = lambda cross: Block(c.width, c.heads, c.mlp, c.dropout, cross, self.dtype)  # noqa: E731
        self.embed_frames = Dense(c.width, ("patch", "embed"), self.dtype)
        self.encoder = [block(False) for _ in range(c.encoder_layers)]
        if self.reading.view:
            self.near = place_params(
                self, "near", c.encoder_layers, c.heads, self.reading.view, deviation=1.0
            )
        self.norm_frames = Norm(self.dtype)
        self.count_head = Dense(1, ("embed", "patch"), jnp.float32, 0.01)
        if self.reading.gloss_vocab:
            self.gloss_head = Dense(self.reading.gloss_vocab, ("embed", "vocab"), jnp.float32)
        self.embed_text = Embed(c.vocab, c.width)
        self.start = self.param("start", named(nn.initializers.normal(1.0), "norm"), (c.width,))
        self.decoder = [block(True) for _ in range(c.decoder_layers)]
        if c.progress_bias:
            self.left = Dense(c.width, ("progress", "embed"))
            self.bias = nearness_params(self, c.decoder_layers, c.heads, steepest=4.0)
        self.norm_text = Norm(self.dtype)
        self.token_head = Dense(c.vocab, ("embed", "vocab"), jnp.float32)

    def encode(
        self, frames: Float[Array, "B T coords"], segment: Int[Array, "B T"], training: bool = False
    ) -> Memory:
        """Encodes pose frames.

        Args:
            frames: float32 [B, T, D - 1], standardized, without the counter; T a multiple of P.
            segment: int32 [B, T], 0 = padding; clips start on multiples of P.
            training: whether dropout is on.
        """
        c, view = self.config, self.reading.view
        rows, time, size = frames.shape
        frames = frames * (segment > 0)[..., None]
        x = self.embed_frames(frames.reshape(rows, time // c.patch, c.patch * size))
        segment = segment[:, :: c.patch]
        position, _ = segment_positions(segment)
        mask = (segment[:, :, None] == segment[:, None, :]) & (segment[:, :, None] > 0)
        bias = None
        if view:
            steps = np.arange(segment.shape[1])
            apart = steps[None, :] - steps[:, None]
            mask &= np.abs(apart) <= view
            bias = place_bias(self.near, len(steps))
        else:
            x = x + sinusoids(position, c.width).astype(x.dtype)
        x = constrain(x, "rows", "time", "width")
        for layer, block in enumerate(self.encoder):
            layer_bias = None if bias is None else bias[layer][None]
            x, _ = block(x, mask, training=training, bias=layer_bias)
        x = self.norm_frames(x)
        gloss = self.gloss_head(x) if self.reading.gloss_vocab else None
        # text tokens are counted by glosses where those are learned: how many each one is worth
        begun = 0.25 if gloss is None else onsets(gloss, segment)
        worth = jnp.exp(jnp.clip(self.count_head(x)[..., 0], -5.0, 5.0)) * begun * (segment > 0)
        same = (segment[:, :, None] == segment[:, None, :]).astype(jnp.float32)
        before = jnp.einsum("bns,bs->bn", same * np.tri(segment.shape[1], k=-1), worth)
        total = jnp.einsum("bns,bs->bn", same, worth)
        keys_values = tuple(block.memory(x) for block in self.decoder)
        return Memory(keys_values, segment, before + worth / 2, total, gloss)

    def decode(
        self, memory: Memory, history: Int[Array, "B S"], steps: Steps, training: bool = False
    ) -> tuple[Float[Array, "B S V"], tuple]:
        """Scores the tokens that follow a history.

        Args:
            memory: what `encode` returned.
            history: int32 [B, S], the token before each; 0 = hidden, and at a text's start.
            steps: of the tokens.
            training: whether dropout is on.

        Returns:
            Logits float32 [B, S, V] and the layers' new caches.
        """
        c, segment, position = self.config, steps.segment, steps.position
        x = self.embed_text(history) * (history > 0)[..., None]
        x = x + (position == 0)[..., None] * self.start + sinusoids(position, c.width)
        same = (segment[:, :, None] == memory.segment[:, None, :]) & (segment[:, :, None] > 0)
        distance = None
        if c.progress_bias:
            # every step of a clip knows its total
            count = jnp.maximum(same.sum(-1), 1)
            total = (same * memory.total[:, None, :]).sum(-1) / count
            left = jnp.clip(total - position, -2.0, 2.0)
            x = x + self.left(jnp.stack([left, jnp.square(left)], -1))
            distance = memory.count[:, None, :] - position[:, :, None] - 0.5
        x = constrain(x.astype(self.dtype), "rows", "time", "width")
        new_caches = []
        for layer, block in enumerate(self.decoder):
            bias = nearness(self.bias, layer, distance) if c.progress_bias else None
            layer_memory = (memory.keys_values[layer], same, bias)
            x, new = block(x, steps.mask, layer_memory, steps.cache(layer), training)
            new_caches.append(new)
        return self.token_head(self.norm_text(x)), tuple(new_caches)

    def __call__(
        self,
        frames: Float[Array, "B T coords"],
        frame_segment: Int[Array, "B T"],
        history: Int[Array, "B S"],
        segment: Int[Array, "B S"],
        training: bool = False,
    ) -> tuple[Float[Array, "B S V"], Memory]:
        """Teacher-forced reading of whole (packed) rows.

        Args:
            frames: float32 [B, T, D - 1].
            frame_segment: int32 [B, T].
            history: int32 [B, S], the token before each, 0 = hidden, and at a text's start.
            segment: int32 [B, S] of the tokens, ends included.
            training: whether dropout is on.

        Returns:
            Logits float32 [B, S, V] and the Memory.
        """
        memory = self.encode(frames, frame_segment, training)
        logits, _ = self.decode(memory, history, packed_steps(segment), training)
        return logits, memory
