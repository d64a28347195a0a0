"""From texts to LangGloss with one text stage or the mean of several: read, decode in batches."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jaxtyping import Int

from signllm_jax.core.config import ModelConfig
from signllm_jax.core.typing import Array, Tree
from signllm_jax.inference.gloss_decoding import decode_lines, score_choices
from signllm_jax.inference.padding import padded
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.parallel import sharding
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.stage import TextStage

CHOICES = 16
"""Lines that are scored together for a text."""


class Translator:
    """Translates texts and prompts to LangGloss; compiled once.

    Args:
        model: Sizes of the model.
        stage: Text stage that reads the texts; its config has the settings of beam search.
        mesh: Mesh that the parameters lie on.
        batch_size: Number of texts decoded together, a multiple of the mesh's row axes.
    """

    def __init__(self, model: ModelConfig, stage: TextStage, mesh, batch_size: int):
        self._stage, self._mesh, self._batch_size = stage, mesh, batch_size
        config = stage.config
        module = Text2Gloss(model, config, dtype=compute_dtype(model.dtype))

        def decode(params, units):
            search = config.line, config.beams, config.length_penalty
            return decode_lines(module, params, units, *search)[0]

        def score(params, units, lines):
            return score_choices(module, params, units, lines)

        self._decode = jax.jit(decode, out_shardings=sharding.replicated(mesh))
        self._score = jax.jit(score, out_shardings=sharding.replicated(mesh))

    def tokens(
        self, params: Tree, texts: Sequence[str], languages: Sequence[str | None]
    ) -> Int[Array, "N line"]:
        """Token ids int32 [N, line] of the texts, 0 after the end; see `__call__`."""
        units = [self._stage.encode(*asked) for asked in zip(texts, languages, strict=True)]
        parts = [np.zeros((0, self._stage.config.line), np.int32)]
        for batch, count in self._batches(units):
            with sharding.use_mesh(self._mesh):
                parts.append(np.asarray(self._decode(params, batch))[:count])
        return np.concatenate(parts)

    def _batches(
        self, units: Sequence[Int[Array, "_ grams"]]
    ) -> Iterator[tuple[Int[Array, "B S grams"], int]]:
        """Texts as arrays [B, S, 1 + G] with the number of rows in use."""
        shape = (self._batch_size, self._stage.config.longest, self._stage.units.columns)
        for start in range(0, len(units), self._batch_size):
            chosen = units[start : start + self._batch_size]
            yield padded(chosen, shape), len(chosen)

    def __call__(
        self, params: Tree, texts: Sequence[str], languages: Sequence[str | None]
    ) -> list[list[str]]:
        """The LangGloss line of each text, a list of marked tokens.

        Args:
            params: Stacked parameters [M, ...] of M models that share the stage's tables.
            texts: Texts or prompts to read.
            languages: Code of the sign language of each text, None if the text names it.
        """
        return [self._stage.read(row) for row in self.tokens(params, texts, languages)]

    def choose(
        self,
        params: Tree,
        texts: Sequence[str],
        languages: Sequence[str],
        choices: Sequence[Sequence[Sequence[str]]],
    ) -> list[list[str]]:
        """The most probable of several lines for each text, as a list of marked tokens.

        Args:
            params, texts, languages: See `__call__`.
            choices: Lines of glosses to choose from, per text; too long lines are never chosen.

        Returns:
            The line of each text, empty if there was nothing to choose from.
        """
        rows, units, lines = [], [], []
        longest = self._stage.config.line
        for i, (text, code) in enumerate(zip(texts, languages, strict=True)):
            read = self._stage.encode(text, code)
            tokens = [[*self._stage.write(line, code), EOS] for line in choices[i]]
            tokens = [line for line in tokens if len(line) <= longest]
            for start in range(0, len(tokens), CHOICES):
                rows.append(i)
                units.append(read)
                lines.append(padded(tokens[start : start + CHOICES], (CHOICES, longest)))
        best = [(-np.inf, [])] * len(texts)
        start = 0
        for batch, count in self._batches(units):
            asked = padded(lines[start : start + count], (len(batch), CHOICES, longest))
            with sharding.use_mesh(self._mesh):
                scores = np.asarray(self._score(params, batch, asked))[:count]
            for i, logp, line in zip(rows[start:], scores, asked):
                if logp.max() > best[i][0]:
                    best[i] = logp.max(), self._stage.read(line[logp.argmax()])
            start += count
        return [line for _, line in best]
