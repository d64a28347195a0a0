"""Batches of Prompt2LangGloss: clips of all languages in one lane, and prompts for them.

A row packs clips as in MLSF, with LangGloss as text. It also has prompts for as many of its first
clips as there is room for, or for the first clip and then for made-up words, which have no clip
(see made_up.py).
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Batch, LineBatch
from signllm_jax.data.batches import TrainData
from signllm_jax.data.gloss_batches import pack_lines, stack_rows
from signllm_jax.data.made_up import MadeUp
from signllm_jax.data.packing import MixedPlan, Packing
from signllm_jax.data.splits import Source
from signllm_jax.poses.features import Statistics
from signllm_jax.text.asking import ask
from signllm_jax.text.langgloss import EOS, to_langgloss
from signllm_jax.text.stage import LineTokenizer, TextStage

CLIPS_ASKED = 1
"""Number of clips per row that have a prompt if made-up words take the rest of the room."""


class PooledSource:
    """The clips of several languages, one language after the other.

    Attributes:
        language: Name of the lane.
        members: Code and number of clips of every language.
        texts: LangGloss of every clip, made of its gloss (the letters of a fingerspelled word).
        lengths: Number of frames of every clip.
    """

    def __init__(self, sources: Sequence[Source]):
        self._sources, self.language = sources, SHARED
        self.members = [(source.language, len(source)) for source in sources]
        self._clips = [(source, i) for source in sources for i in range(len(source))]
        self.texts = [
            " ".join(to_langgloss(source.units[i], source.language)) for source, i in self._clips
        ]
        self.lengths = np.concatenate([source.lengths for source in sources])

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict:
        """Example `index`; see `Source`."""
        source, i = self._clips[index]
        return source[i]

    def asked(self, index: int) -> tuple[str, str]:
        """The text of clip `index` in its spoken language, and the code of its sign language."""
        source, i = self._clips[index]
        return source.texts[i], source.language


class PromptData(TrainData):
    """The train split of all languages as arrays: `Batch`es with prompts, by step.

    Args:
        sources: Train split of each language.
        stage: Tables of units and LangGloss.
        statistics: Statistics of the clips of all languages.
        packing: How clips are packed into rows.
        row_units: Largest number of units per row.
        temperature: How languages are mixed, see MixedPlan.
        made_up: Sources of made-up words, of each language whose words are spelled.
        asks: Whether there are prompts; a pose stage alone does not need them.
        options: `cache_mb`, `max_bad` and `group`, see TrainData.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        stage: TextStage,
        statistics: Statistics,
        packing: Packing,
        *,
        row_units: int,
        temperature: float,
        made_up: Sequence[MadeUp] = (),
        asks: bool = True,
        **options,
    ):
        self._stage, self._row_units = stage, row_units
        self._asks, self._made_up = asks, made_up
        self._temperature = temperature
        self._pooled = PooledSource(sources)
        super().__init__([self._pooled], [LineTokenizer(stage)], [statistics], packing, **options)

    def _plan(self, source, tokens, stratum, beside):
        return MixedPlan(
            source.language,
            source.lengths,
            tokens,
            self._packing,
            stratum,
            beside,
            members=source.members,
            temperature=self._temperature,
        )

    def batch(self, step, lanes, rows) -> Batch:
        """See TrainData."""
        batch = super().batch(step, lanes, rows)
        if not self._asks:
            return batch
        examples = zip(rows, batch.example[0])
        prompts = stack_rows(self._prompts(step, int(row), clips) for row, clips in examples)
        return batch._replace(prompts=prompts)

    def _prompts(self, step: int, row: int, clips: np.ndarray) -> LineBatch:
        """The prompts of one row: for clips, then for made-up words while there is room."""
        random = np.random.default_rng([self._packing.seed, step, row])
        asked = clips[clips >= 0][: CLIPS_ASKED if self._made_up else None]
        of_clips = ((*self._pooled.asked(i), self._ids[0][i]) for i in asked)
        pairs = (
            (self._read(text, language, random), [*line, EOS])
            for text, language, line in itertools.chain(of_clips, self._make_up(random))
        )
        limits = self._row_units, self._packing.row_tokens + len(clips)
        return pack_lines(pairs, limits, self._stage.units.columns)

    def _read(self, text: str, language: str, random: np.random.Generator) -> np.ndarray:
        """The units of a random prompt for a text, in half of the prompts with hidden words."""
        prompt, caller = ask(text, language, random)
        hide = self._stage.config.word_drop * random.integers(2)
        return self._stage.units.encode(prompt, caller, hide, random)

    def _make_up(self, random: np.random.Generator) -> Iterator[tuple[str, str, list[int]]]:
        """Endless made-up texts, their languages and the tokens of their lines."""
        while self._made_up:
            source = self._made_up[int(random.integers(len(self._made_up)))]
            if (made := source.draw(random)) is not None:
                text, glosses = made
                yield text, source.language, self._stage.write(glosses, source.language)
