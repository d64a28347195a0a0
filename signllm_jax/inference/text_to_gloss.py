"""From texts to LangGloss with one text stage or the mean of several: read, decode in batches."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from signllm_jax.core.config import ModelConfig
from signllm_jax.core.typing import Tree
from signllm_jax.inference.gloss_decoding import decode_lines, score_choices
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.parallel import sharding
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.stage import TextStage

CHOICES = 16
"""Lines that are scored together for a text."""


class Translator:
    """Texts and prompts to LangGloss; compiled once.

    Args:
        model: width, heads and rows.
        stage: what texts are read with; its config says how lines are decoded.
        mesh: where the parameters lie.
        batch_size: texts decoded together, a multiple of the mesh's row axes.
    """

    def __init__(self, model: ModelConfig, stage: TextStage, mesh, batch_size: int):
        self._stage, self._mesh, self._batch_size = stage, mesh, batch_size
        config = stage.config
        module = Text2Gloss(model, config, dtype=compute_dtype(model.dtype))

        def decode(params, units):
            tokens, _ = decode_lines(
                module, params, units, config.line, config.beams, config.length_penalty
            )
            return tokens

        def score(params, units, lines):
            return score_choices(module, params, units, lines)

        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        self._decode = jax.jit(decode, out_shardings=everywhere)
        self._score = jax.jit(score, out_shardings=everywhere)

    def tokens(
        self, params: Tree, texts: Sequence[str], languages: Sequence[str | None]
    ) -> np.ndarray:
        """Token ids int32 [N, line] of the texts, 0 after the end; see `__call__`."""
        units = [
            self._stage.encode(text, code) for text, code in zip(texts, languages, strict=True)
        ]
        parts = [np.zeros((0, self._stage.config.line), np.int32)]
        for batch, count in self._batches(units):
            with sharding.use_mesh(self._mesh):
                parts.append(np.asarray(self._decode(params, batch))[:count])
        return np.concatenate(parts)

    def _batches(self, units: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
        """Texts as arrays [B, S, 1 + G] with the number of rows in use."""
        shape = (self._batch_size, self._stage.config.longest, self._stage.units.columns)
        for start in range(0, len(units), self._batch_size):
            batch = np.zeros(shape, np.int32)
            chosen = units[start : start + self._batch_size]
            for row, own in zip(batch, chosen):
                row[: len(own)] = own
            yield batch, len(chosen)

    def __call__(
        self, params: Tree, texts: Sequence[str], languages: Sequence[str | None]
    ) -> list[list[str]]:
        """The LangGloss lines of texts, a list of marked tokens each.

        Args:
            params: stacked [M, ...] of M models that share the stage's tables.
            texts: what is read.
            languages: the sign language asked for, None where the text says it.
        """
        return [self._stage.read(row) for row in self.tokens(params, texts, languages)]

    def choose(
        self,
        params: Tree,
        texts: Sequence[str],
        languages: Sequence[str],
        choices: Sequence[Sequence[Sequence[str]]],
    ) -> list[list[str]]:
        """The most probable of some lines for every text, marked tokens each.

        Args:
            params, texts, languages: see `__call__`.
            choices: lines of glosses to choose from; one that is too long is never chosen.

        Returns:
            An empty line where there was nothing to choose from.
        """
        rows, units, lines = [], [], []
        longest = self._stage.config.line
        for i, (text, code) in enumerate(zip(texts, languages, strict=True)):
            read = self._stage.encode(text, code)
            tokens = [[*self._stage.write(line, code), EOS] for line in choices[i]]
            tokens = [line for line in tokens if len(line) <= longest]
            for start in range(0, len(tokens), CHOICES):
                part = np.zeros((CHOICES, longest), np.int32)
                for row, line in zip(part, tokens[start : start + CHOICES]):
                    row[: len(line)] = line
                rows.append(i)
                units.append(read)
                lines.append(part)
        best = [(-np.inf, [])] * len(texts)
        start = 0
        for batch, count in self._batches(units):
            asked = np.zeros((len(batch), CHOICES, longest), np.int32)
            asked[:count] = lines[start : start + count]
            with sharding.use_mesh(self._mesh):
                scores = np.asarray(self._score(params, batch, asked))[:count]
            for i, own, line in zip(rows[start:], scores, asked):
                if own.max() > best[i][0]:
                    best[i] = own.max(), self._stage.read(line[own.argmax()])
            start += count
        return [line for _, line in best]
