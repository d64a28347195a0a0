"""Text2Pose: the encoder-decoder of one group, text tokens in, patches of pose frames out.

The paper's two transformers (section on the base model) with three changes, each of which has a
switch: a patch of P frames is predicted at a time (P = 1 is the paper's), token position and
counter share progress features, and cross-attention has a learned bias towards the tokens whose
place in the text is the clip's progress. Without the last two a small model falls back to the
mean pose.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from signllm_jax.core.config import ModelConfig
from signllm_jax.core.typing import Array, Prediction
from signllm_jax.models.layers.bfloat16 import gelu
from signllm_jax.models.layers.bias import nearness, nearness_params
from signllm_jax.models.layers.blocks import Dense, Norm, block_class
from signllm_jax.models.layers.durations import Durations, token_spans
from signllm_jax.models.layers.embed import (
    Embed,
    MarkedEmbed,
    phase_features,
    progress_features,
    segment_positions,
    sinusoids,
)
from signllm_jax.models.layers.flow import Time
from signllm_jax.models.layers.named import named
from signllm_jax.models.layers.pooling import clip_means, members
from signllm_jax.models.layers.steps import Memory, Steps, packed_steps
from signllm_jax.models.layers.variety import (
    FIRST_PACE,
    HANDS,
    Length,
    Seen,
    Told,
    Variety,
    hidden_joints,
)
from signllm_jax.parallel.sharding import constrain

PHASES = 4
"""Harmonics of the token clock."""
NEVER = 1e4
"""What is taken off the logit of a joint that cannot be shown."""


class Text2Pose(nn.Module):
    """One encoder-decoder group.

    Attributes:
        config: sizes.
        languages: rows of the language marks where the text is LangGloss, whose tokens are
            `mark * vocab + gloss`; 0 = the text has tokens without marks.
        dtype: compute type; counter head, progress features and softmax stay float32.
    """

    config: ModelConfig
    dtype: DTypeLike = jnp.float32
    languages: int = 0

    def setup(self):
        """Declares the layers."""
        c = self.config
        block = lambda cross: block_class(c.remat)(  # noqa: E731
            c.width, c.heads, c.mlp, c.dropout, cross, self.dtype, c.row_dropout, c.attention
        )
        if self.languages:
            self.embed_text = MarkedEmbed(c.vocab, self.languages, c.width)
        else:
            self.embed_text = Embed(c.vocab, c.width)
        self.text_progress = Dense(c.width, ("progress", "embed"))
        self.encoder = [block(False) for _ in range(c.encoder_layers)]
        self.norm_text = Norm(self.dtype)
        if c.token_durations:
            self.durations = Durations()
        if c.varies:
            self.variety = Variety(c.latent, c.patch * (c.frame_size - 1), c.latent_moments)
            self.embed_latent = Dense(c.width, ("width", "embed"))
        if c.decoder == "parallel":
            self.length = Length()
        if c.decoder == "autoregressive" or c.flow:
            self.embed_history = Dense(c.width, ("patch", "embed"), self.dtype)
        if c.flow:
            self.flow_time = Time(c.width)
        self.frame_progress = Dense(c.width, ("progress", "embed"))
        if c.token_clock:
            self.frame_phase = Dense(c.width, ("progress", "embed"))
        self.start = self.param("start", named(nn.initializers.normal(1.0), "norm"), (c.width,))
        self.decoder = [block(True) for _ in range(c.decoder_layers)]
        if c.progress_bias:
            self.bias = nearness_params(self, c.decoder_layers, c.heads, steepest=1.0)
        self.norm_frames = Norm(self.dtype)
        if c.head:
            self.frame_hidden = Dense(c.head, ("embed", "mlp"), self.dtype)
        last = ("mlp" if c.head else "embed", "patch")
        self.frame_head = Dense(c.patch * (c.frame_size - 1), last, self.dtype, 0.1)
        if c.decoder == "autoregressive":
            self.counter_head = Dense(c.patch, ("embed", "patch"), jnp.float32, 0.01)
        self.seen_head = Dense(
            c.patch * ((c.frame_size - 1) // 3), ("embed", "patch"), jnp.float32, 0.01
        )

    def encode(
        self, text: Int[Array, "B S"], text_segment: Int[Array, "B S"], training: bool = False
    ) -> Memory:
        """Encodes text.

        Args:
            text: tokens.
            text_segment: which text of the row a token belongs to, 0 = padding.
            training: whether dropout is on.

        Returns:
            The Memory, without a latent.
        """
        position, length = segment_positions(text_segment)
        progress = (position + 0.5) / jnp.maximum(length, 1)
        x = self.embed_text(text)
        if self.config.progress_features:
            x = x + self.text_progress(progress_features(progress, self.config.progress_features))
        x = x + sinusoids(position, self.config.width)
        x = constrain(x.astype(self.dtype), "rows", "time", "width")
        mask = text_segment[:, :, None] == text_segment[:, None, :]
        mask &= text_segment[:, :, None] > 0
        for block in self.encoder:
            x, _ = block(x, mask, None, None, training, None, False)
        x = self.norm_text(x)
        rate, frames = length, None
        if self.config.token_durations:
            frames = self.durations(x)
            progress, rate = token_spans(frames, text_segment)
            if self.config.progress_features:
                features = progress_features(progress, self.config.progress_features)
                x = x + self.text_progress(features).astype(self.dtype)
        keys_values = tuple(block.memory(x) for block in self.decoder)
        whole = self.config.varies or self.config.decoder == "parallel"
        return Memory(
            keys_values, text_segment, progress, rate, x if whole else None, frames=frames
        )

    def vary(self, memory: Memory, noise: Float[Array, "B K latent"]) -> Memory:
        """The memory with a latent drawn for each clip from its text.

        Args:
            memory: what `encode` returned.
            noise: float32 [B, K, Z + 4], see `Variety.draw`.
        """
        text = clip_means(memory.text, memory.segment, noise.shape[1])
        return memory._replace(latent=self.variety.draw(text, noise))

    def recognize(self, memory: Memory, seen: Seen) -> tuple[Memory, Told]:
        """The memory with the latents of true clips, and what is told of them.

        Args:
            memory: what `encode` returned.
            seen: the clips.
        """
        c, clips = self.config, seen.noise.shape[1]
        surplus = jnp.zeros(seen.noise.shape[:2])
        if c.varies:
            text = clip_means(memory.text, memory.segment, clips)
            tokens = members(memory.segment, clips).sum(1)
            latent, surplus = self.variety.recognize(text, seen, c.patch, tokens)
            memory = memory._replace(latent=latent)
        return memory, Told(surplus, self.tell_length(memory, clips))

    def tell_length(self, memory: Memory, clips: int) -> Float[Array, "B K"] | None:
        """The logarithm of the frames of each of K clips, float32 [B, K].

        None of an autoregressive decoder without durations of tokens, whose counter finds the end.
        """
        inside = members(memory.segment, clips)
        tokens = inside.sum(1)
        if memory.frames is not None:  # as many tokens of the first pace as last so long
            tokens = jnp.einsum("bsk,bs->bk", inside, memory.frames) / FIRST_PACE
        if self.config.decoder == "parallel":
            text = clip_means(memory.text, memory.segment, clips)
            return self.length(text, tokens, memory.latent)
        if memory.frames is None:
            return None
        return jnp.log(FIRST_PACE * jnp.maximum(tokens, 1e-2))

    def decode(
        self,
        memory: Memory,
        history: Float[Array, "B N patch_coords"] | None,
        counter: Float[Array, "B N"],
        steps: Steps,
        training: bool = False,
        time: Float[Array, "B N"] | None = None,
    ) -> tuple[Prediction, tuple]:
        """Predicts the patches that follow a history; a parallel decoder reads none.

        With `config.flow` the history is the patches themselves on their way out of noise.

        Args:
            memory: what `encode` returned, with a latent where the model has one.
            history: [B, N, P (D - 1)], the patch before each, zeros at a clip's start.
            counter: float32 [B, N], the counter reached before each patch, 0 at a clip's start.
            steps: of the patches.
            training: whether dropout is on, and self-attention `config.attention`'s: all else,
                generation above all, attends by XLA.
            time: float32 [B, N], how far on their way the patches are; None = 0, all noise.

        Returns:
            The Prediction of the patches [B, N, P, ...] and the layers' new caches. A parallel
            decoder's counter is the one that it was given.
        """
        c, parallel = self.config, self.config.decoder == "parallel"
        keys_values, text_segment, progress, rate = memory[:4]
        segment, position = steps.segment, steps.position
        memory_mask = (segment[:, :, None] == text_segment[:, None, :]) & (segment[:, :, None] > 0)
        x = (position == 0)[..., None] * self.start
        if not parallel or c.flow:
            x = self.embed_history(history) + x
        if c.flow:
            x = x + self.flow_time(jnp.zeros(segment.shape) if time is None else time)
        if c.varies:
            assert memory.latent is not None, "see `vary` and `recognize`"
            inside = members(segment, memory.latent.shape[1])
            latent = jnp.einsum("bnk,bkz->bnz", inside, memory.latent)
            x = x + self.embed_latent(latent)
        if c.progress_features:
            x = x + self.frame_progress(progress_features(counter, c.progress_features))
        if c.token_clock:
            # where within a token the clip is: the same feature in texts of all lengths
            tokens = jnp.maximum(memory_mask.sum(-1), 1)
            x = x + self.frame_phase(phase_features(counter * tokens, PHASES))
        x = x + sinusoids(position, c.width)
        x = constrain(x.astype(self.dtype), "rows", "time", "width")
        # signed distance, in tokens, from the clip's progress to each token's place in the text
        distance = (counter[:, :, None] - progress[:, None, :]) * rate[:, None, :]
        kernel_segment = segment if training and c.attention != "xla" else None
        new_caches = []
        for layer, block in enumerate(self.decoder):
            bias = nearness(self.bias, layer, distance) if c.progress_bias else None
            layer_memory = (keys_values[layer], memory_mask, bias)
            cache = steps.cache(layer)
            whole = cache is None and not parallel
            x, new = block(
                x, steps.mask, layer_memory, cache, training, None, whole, kernel_segment
            )
            new_caches.append(new)
        x = self.norm_frames(x)
        shape = (*x.shape[:2], c.patch)
        spoken = gelu(self.frame_hidden(x)) if c.head else x
        frames = self.frame_head(spoken).astype(jnp.float32).reshape(*shape, c.frame_size - 1)
        x = x.astype(jnp.float32)
        if parallel:
            counter = jnp.broadcast_to(counter[..., None], shape)
        else:
            advance = self.counter_head(x)
            if c.token_clock:  # in tokens: a patch passes about as many whatever the length
                advance = advance / tokens[..., None]
            counter = counter[..., None] + advance
        seen = self.seen_head(x).reshape(*shape, (c.frame_size - 1) // 3)
        if c.varies and not training:
            hidden = latent[..., -len(HANDS) :] @ hidden_joints(c.frame_size)
            seen = seen - NEVER * hidden[:, :, None]
        return Prediction(frames, counter, seen), tuple(new_caches)

    def __call__(
        self,
        text: Int[Array, "B S"],
        text_segment: Int[Array, "B S"],
        history: Float[Array, "B N patch_coords"] | None,
        counter: Float[Array, "B N"],
        segment: Int[Array, "B N"],
        training: bool = False,
        seen: Seen | None = None,
        time: Float[Array, "B N"] | None = None,
    ) -> Prediction | tuple[Prediction, Told]:
        """Teacher-forced prediction of whole (packed) rows.

        Args:
            text, text_segment: see `encode`.
            history, counter, time: see `decode`; `teacher_forcing` makes the first two.
            segment: which clip of the row a patch belongs to, 0 = padding.
            training: whether dropout is on.
            seen: the true clips, which a model reads that has a latent or predicts lengths.

        Returns:
            The Prediction [B, T, ...], and what is Told of the clips where they are seen.
        """
        memory, of_clips = self.encode(text, text_segment, training), None
        if seen is not None:
            memory, of_clips = self.recognize(memory, seen)
        steps = packed_steps(segment, whole=self.config.decoder == "parallel")
        predicted, _ = self.decode(memory, history, counter, steps, training, time)
        rows, patches = segment.shape
        time = patches * self.config.patch
        predicted = jax.tree.map(lambda x: x.reshape(rows, time, *x.shape[3:]), predicted)
        return predicted if of_clips is None else (predicted, of_clips)
