"""Text2Gloss: an encoder over the units of a text or prompt, an autoregressive LangGloss decoder.

A unit is a word or a character with the hashed n-grams it is made of, so that a word never met
shares what is known of its parts. A LangGloss token is one integer, `mark * rows + gloss`; its
embedding is E(language) + E(gloss), and by the same tables the decoder scores languages and
glosses, so a new language reuses every gloss that is shared.

Source: "SignLLM" (arXiv 2405.10718), Prompt2LangGloss: an encoder-decoder with a softmax output,
the marked line fed to the decoder while training.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Int

from signllm_jax.core.config import ModelConfig, TextConfig
from signllm_jax.core.typing import Array, TokenScores
from signllm_jax.models.layers.bias import place_bias, place_params
from signllm_jax.models.layers.blocks import Block, Norm
from signllm_jax.models.layers.embed import MarkedEmbed, UnitEmbed, segment_positions, sinusoids
from signllm_jax.models.layers.steps import Steps, packed_steps
from signllm_jax.parallel.sharding import constrain
from signllm_jax.text.langgloss import BOS


class Text2Gloss(nn.Module):
    """The text stage.

    Attributes:
        config: width, heads and MLP of both models, V of LangGloss.
        text: the sizes of this stage alone.
        dtype: compute type; scores and softmax are float32.
    """

    config: ModelConfig
    text: TextConfig
    dtype: DTypeLike = jnp.float32

    def setup(self):
        """Declares the layers."""
        c, t = self.config, self.text
        block = lambda cross: Block(c.width, c.heads, c.mlp, t.dropout, cross, self.dtype)  # noqa: E731
        self.embed_unit = UnitEmbed(t.units, t.buckets, c.width)
        self.embed_gloss = MarkedEmbed(c.vocab, t.languages, c.width)
        self.encoder = [block(False) for _ in range(t.encoder_layers)]
        if t.distances:
            self.distance = place_params(
                self, "distance_bias", t.encoder_layers, c.heads, t.distances
            )
        self.decoder = [block(True) for _ in range(t.decoder_layers)]
        self.norm_text, self.norm_gloss = Norm(self.dtype), Norm(self.dtype)
        self.drop = nn.Dropout(t.dropout)

    def encode(
        self, units: Int[Array, "B S grams"], segment: Int[Array, "B S"], training: bool = False
    ) -> tuple:
        """Encodes texts.

        Args:
            units: int32 [B, S, 1 + G].
            segment: int32 [B, S], 0 = padding.
            training: whether dropout is on.

        Returns:
            What the decoder reads: each decoder layer's keys and values, and the segment.
        """
        position, _ = segment_positions(segment)
        x = self.embed_unit(units) + sinusoids(position, self.config.width)
        x = self.drop(x, deterministic=not training)
        x = constrain(x.astype(self.dtype), "rows", "time", "width")
        mask = (segment[:, :, None] == segment[:, None, :]) & (segment[:, :, None] > 0)
        near = place_bias(self.distance, x.shape[1]) if self.text.distances else None
        for layer, block in enumerate(self.encoder):
            layer_bias = None if near is None else near[layer][None]
            x, _ = block(x, mask, training=training, bias=layer_bias)
        x = self.norm_text(x)
        return tuple(block.memory(x) for block in self.decoder), segment

    def decode(
        self, memory: tuple, before: Int[Array, "B N"], steps: Steps, training: bool = False
    ) -> tuple[TokenScores, tuple]:
        """Scores the tokens that follow.

        Args:
            memory: what `encode` returned.
            before: int32 [B, N], the token before each, BOS at a line's start.
            steps: of the tokens.
            training: whether dropout is on.

        Returns:
            The scores [B, N, ...] and the layers' new caches.
        """
        keys_values, text_segment = memory
        segment = steps.segment
        x = self.embed_gloss(before) + sinusoids(steps.position, self.config.width)
        x = self.drop(x, deterministic=not training)
        x = constrain(x.astype(self.dtype), "rows", "time", "width")
        seen = (segment[:, :, None] == text_segment[:, None, :]) & (segment[:, :, None] > 0)
        new_caches = []
        for layer, block in enumerate(self.decoder):
            layer_memory = (keys_values[layer], seen, None)
            x, new = block(x, steps.mask, layer_memory, steps.cache(layer), training)
            new_caches.append(new)
        return self.embed_gloss.scores(self.norm_gloss(x)), tuple(new_caches)

    def __call__(
        self,
        units: Int[Array, "B S grams"],
        unit_segment: Int[Array, "B S"],
        gloss: Int[Array, "B N"],
        segment: Int[Array, "B N"],
        training: bool = False,
    ) -> TokenScores:
        """Teacher-forced scores of whole (packed) rows.

        Args:
            units: int32 [B, S, 1 + G].
            unit_segment: int32 [B, S].
            gloss: int32 [B, N], LangGloss tokens, EOS after each line.
            segment: int32 [B, N].
            training: whether dropout is on.

        Returns:
            The scores [B, N, ...] of the tokens of `gloss`.
        """
        memory = self.encode(units, unit_segment, training)
        steps = packed_steps(segment)
        before = jnp.pad(gloss, ((0, 0), (1, 0)))[:, :-1]
        before = jnp.where(steps.position == 0, BOS, before)
        return self.decode(memory, before, steps, training)[0]
