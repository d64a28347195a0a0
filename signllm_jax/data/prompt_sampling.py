"""Batches of Prompt2LangGloss: clips of all languages in one lane, and a prompt for each.

A row packs clips as in MLSF, with LangGloss for text. Beside it lie prompts of the row's first
clips, as many as there is room for, or of the first one and then of made-up words, which have no
clip (see made_up.py).
"""

from collections.abc import Sequence

import numpy as np

from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Batch, LineBatch
from signllm_jax.data.batches import TrainData
from signllm_jax.data.made_up import MadeUp
from signllm_jax.data.packing import MixedPlan, Packing
from signllm_jax.data.splits import Source
from signllm_jax.poses.features import Statistics
from signllm_jax.text.asking import ask
from signllm_jax.text.langgloss import EOS, to_langgloss
from signllm_jax.text.stage import LineTokenizer, TextStage

CLIPS_ASKED = 1
"""Clips of a row that are asked for where made-up words take the rest of the room."""


class PooledSource:
    """The clips of several languages one language after the other; `texts` is their LangGloss.

    Attributes:
        language: the lane's name.
        members: (code, number of clips) of every language.
        ids, texts, lengths: of every clip; see `Source`.
    """

    def __init__(self, sources: Sequence[Source]):
        self._sources, self.language = sources, SHARED
        self.members = [(source.language, len(source)) for source in sources]
        self._places = [(source, i) for source in sources for i in range(len(source))]
        self.ids = [id_ for source in sources for id_ in source.ids]
        self.texts = [line_of(source, i) for source, i in self._places]
        self.lengths = np.concatenate([source.lengths for source in sources])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> dict:
        """Example `index`; see `Source`."""
        source, own = self._places[index]
        return source[own]

    def asked(self, index: int) -> tuple[str, str]:
        """The text of clip `index` in its spoken language, and the code of its sign language."""
        source, own = self._places[index]
        return source.texts[own], source.language


def line_of(source: Source, index: int) -> str:
    """The LangGloss of an example, from its gloss (the letters of a fingerspelled word)."""
    return " ".join(to_langgloss(source.units[index], source.language))


class PromptData(TrainData):
    """The train split of all languages as numbers: `Batch`es with prompts, by step.

    Args:
        sources: one train split a language.
        stage: tables of units and LangGloss.
        statistics: pooled over the languages.
        packing: of clips into rows.
        row_units: units of a row.
        temperature: how languages are mixed, see MixedPlan.
        made_up: what else is asked for, of each language whose words are spelled.
        asks: whether there are prompts at all, which a pose stage alone has no use for.
        cache_mb: how many megabytes of standardized clips are kept.
        group: see TrainData.
        max_bad: how many clips whose record is damaged are skipped; one more is an error.
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
        cache_mb: int,
        max_bad: int = 0,
        group: str = "none",
    ):
        self._stage, self._row_units = stage, row_units
        self._asks = asks
        self._temperature = temperature
        self._made_up = made_up
        self._pooled = PooledSource(sources)
        kept = {"cache_mb": cache_mb, "max_bad": max_bad, "group": group}
        super().__init__([self._pooled], [LineTokenizer(stage)], [statistics], packing, **kept)

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
        prompts = [self._prompts(step, int(row), batch.example[0, i]) for i, row in enumerate(rows)]
        lines = LineBatch(*(np.stack(field)[None] for field in zip(*prompts)))
        return batch._replace(prompts=lines)

    def _prompts(self, step: int, row: int, clips: np.ndarray) -> tuple[np.ndarray, ...]:
        """The prompts of one row: units, their segment, LangGloss lines and their segment."""
        random = np.random.default_rng([self._packing.seed, step, row])
        tokens = self._packing.row_tokens + len(clips)
        units = np.zeros((self._row_units, self._stage.units.columns), np.int32)
        segment = np.zeros(self._row_units, np.int32)
        line = np.zeros((2, tokens), np.int32)
        unit = token = number = 0
        asked = clips[clips >= 0][: CLIPS_ASKED if self._made_up else None]
        chosen = [(*self._pooled.asked(i), self._ids[0][i]) for i in asked]
        while True:
            if number < len(chosen):
                text, language, written = chosen[number]
            elif (made := self._make_up(random)) is not None:
                text, language, written = made
            else:
                break
            prompt, caller = ask(text, language, random)
            hide = self._stage.config.word_drop * random.integers(2)
            read = self._stage.units.encode(prompt, caller, hide, random)
            written = [*written, EOS]
            if unit + len(read) > self._row_units or token + len(written) > tokens:
                break
            number += 1
            units[unit : unit + len(read)] = read
            segment[unit : unit + len(read)] = number
            line[:, token : token + len(written)] = [written, [number] * len(written)]
            unit += len(read)
            token += len(written)
        return units, segment, line[0], line[1]

    def _make_up(self, random: np.random.Generator) -> tuple[str, str, list[int]] | None:
        while self._made_up:
            chosen = self._made_up[int(random.integers(len(self._made_up)))]
            made = chosen.draw(random)
            if made is not None:
                text, glosses = made
                return text, chosen.language, self._stage.write(glosses, chosen.language)
        return None
