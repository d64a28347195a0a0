"""Input and output of a text stage: its sizes, its units and the vocabulary of LangGloss.

A LangGloss token is one integer to the models, `mark * rows + id`, with the mark and the id of
`LangGlossVocabulary`; the end has no mark.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from signllm_jax.core.config import TextConfig
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.languages import check_code
from signllm_jax.core.schema import limits, read_as
from signllm_jax.text.langgloss import LangGlossVocabulary, split_marks
from signllm_jax.text.source_tokens import Units, collect_units


@dataclasses.dataclass(frozen=True)
class TextStage:
    """Frozen at step 0 of a run.

    Attributes:
        config: Sizes of the text stage.
        rows: V, number of rows of the model's gloss table, used or not.
        units: Units of the input texts.
        vocabulary: Vocabulary of the LangGloss output.
    """

    config: TextConfig
    rows: int = dataclasses.field(metadata=limits(low=4, high=1 << 20))
    units: Units
    vocabulary: LangGlossVocabulary

    def encode(self, text: str, language: str | None) -> np.ndarray:
        """Units int32 [S, 1 + G] of a text or prompt.

        Raises TextError when it is empty or too long.
        """
        units = self.units.encode(text, language)
        if len(units) > self.config.longest:
            raise TextError(
                f"the text has {len(units) - 1} {self.units.kind}, the model reads at most "
                f"{self.config.longest - 1}: {text[:40]!r}"
            )
        return units

    def write(self, glosses: Iterable[str], language: str) -> list[int]:
        """Tokens of a line, the end not included; errors as in `LangGlossVocabulary.encode`."""
        encoded = self.vocabulary.encode(glosses, language)
        return [mark * self.rows + id_ for id_, mark in zip(*encoded)]

    def read(self, tokens: Iterable[int]) -> list[str]:
        """The marked tokens `<asl:HELLO>` of a line that a model wrote, up to its end."""
        pairs = [divmod(int(token), self.rows) for token in tokens]
        # rows without a gloss count as padding
        ids = [id_ if id_ < self.vocabulary.size else 0 for _, id_ in pairs]
        marks = [min(mark, len(self.vocabulary.languages)) for mark, _ in pairs]
        return self.vocabulary.decode(ids, marks)

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return {
            "config": dataclasses.asdict(self.config),
            "rows": self.rows,
            "units": self.units.to_dict(),
            "vocabulary": self.vocabulary.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict) -> "TextStage":
        """The inverse of `to_dict`; raises ConfigError where the parts do not fit each other."""
        return checked(read_as(cls, values, "text_stage"))


class LineTokenizer:
    """Tokenizer of marked LangGloss lines `<asl:H> <asl:I>`, for pose stages."""

    def __init__(self, stage: TextStage):
        self._stage = stage

    def encode(self, line: str) -> list[int]:
        """Tokens of a line; raises TextError if it is not LangGloss."""
        pairs = split_marks(line)
        return [token for code, gloss in pairs for token in self._stage.write([gloss], code)]


def make_stage(
    config: TextConfig,
    rows: int,
    texts: Sequence[str],
    lines: Mapping[str, Sequence[Sequence[str]]],
    familiar: Iterable[str] = (),
) -> TextStage:
    """The text stage for the texts and lines of the train split.

    Args:
        config: Sizes of the text stage.
        rows: V, number of rows of the gloss table.
        texts: Input texts of all languages.
        lines: Language code -> its lines of glosses.
        familiar: Familiar words, for texts that are read by characters; see `Units`.

    Raises ConfigError if the glosses, the units or the languages do not fit.
    """
    vocabulary = LangGlossVocabulary.build(lines, config.min_count)
    units = collect_units(
        texts,
        config.kind,
        tuple(lines),
        marks=config.languages - 1,
        rows=config.units,
        buckets=config.buckets,
        familiar=familiar,
    )
    return checked(TextStage(config, rows, units, vocabulary))


def checked(stage: TextStage) -> TextStage:
    """The stage itself; raises ConfigError if its parts do not fit together."""
    units, languages = stage.units, stage.vocabulary.languages
    for code in (*units.languages, *languages):
        check_code(code)
    if units.size > stage.config.units or units.marks < len(units.languages):
        raise ConfigError(f"text_stage.units: {units.size} do not fit {stage.config.units} rows")
    if (units.kind, units.buckets) != (stage.config.kind, stage.config.buckets):
        raise ConfigError("text_stage.units: are not those of its config")
    needed, marks = stage.vocabulary.size, stage.vocabulary.marks
    if needed > stage.rows:
        raise ConfigError(f"config.model.vocab: LangGloss needs {needed} rows, not {stage.rows}")
    if marks > stage.config.languages:
        raise ConfigError(
            f"config.text.languages: {marks - 1} languages need {marks} rows, "
            f"not {stage.config.languages}"
        )
    return stage
