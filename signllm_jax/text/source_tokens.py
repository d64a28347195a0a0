"""What a text stage reads: words or characters, each with hashed features beside its own id.

`words`: a word that train never showed is the unknown word, but its n-grams of 3 to 5 characters
are mostly known. `characters`: so that words never met can be copied; a character's features are
the word that it stands in and the two beside it, where they are frequent ones, else whether they
are familiar, which tells a question from the text that it is about, and its place in the word and
the characters next to it, which keep the letters of a copy in order. The first unit is the mark of
the sign language that the caller asks for.
Source of hashed n-grams: Bojanowski et al., Enriching Word Vectors with Subword Information,
TACL 2017.
"""

import dataclasses
import functools
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from signllm_jax.core.config import TextConfig
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.schema import limits, read_as

PAD, UNKNOWN, ANY = range(3)
"""Ids of padding, of an unknown unit and of the mark that leaves the language to the text."""
SIZES = (3, 4, 5)
MOST_GRAMS = 40
"""N-grams of a unit that are kept; longer words keep that many, spread evenly."""
_UNKNOWN_WORD, _FAMILIAR_WORD = "?", "~"
_SIDES = (("=", 0), ("-", -1), ("+", 1))
FEATURES = {"words": MOST_GRAMS, "characters": len(_SIDES) + 3}
"""G, hashed features of a unit of each kind."""
FREQUENT = 0.002
"""Words in at least this share of the train texts are features of characters: those of questions
are, those that are asked about are not."""


@dataclasses.dataclass(frozen=True)
class Units:
    """Texts -> units.

    Attributes:
        kind: `words` or `characters`.
        languages: codes in the order of their marks.
        marks: rows kept for marks, used or not.
        known: the words or characters, in the order of their ids.
        frequent: words that are features of characters.
        buckets: rows of the hashed features, 0 = none.
        familiar: words that, where they are not frequent, characters only know to be familiar.
    """

    kind: str = dataclasses.field(metadata=limits(choices=("words", "characters")))
    languages: tuple[str, ...]
    marks: int = dataclasses.field(metadata=limits(low=0, high=1 << 10))
    known: tuple[str, ...]
    frequent: tuple[str, ...]
    buckets: int = dataclasses.field(metadata=limits(low=0, high=1 << 20))
    familiar: tuple[str, ...] = ()

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {unit: i for i, unit in enumerate(self.known, self._first)}

    @property
    def _first(self) -> int:
        return ANY + 1 + self.marks

    @property
    def size(self) -> int:
        """Number of ids in use."""
        return self._first + len(self.known)

    @property
    def columns(self) -> int:
        """1 + G, numbers that a unit is made of."""
        return 1 + FEATURES[self.kind] * (self.buckets > 0)

    def encode(
        self,
        text: str,
        language: str | None,
        hide: float = 0.0,
        random: np.random.Generator | None = None,
    ) -> np.ndarray:
        """int32 [S, 1 + G] of a text: the mark and the units.

        Args:
            text: a sentence or a prompt.
            language: the sign language that the caller asks for, None = the text says it.
            hide: share of the frequent and familiar words that are made unknown, while training.
            random: draws which.

        Raises:
            TextError: the text is empty.
            ConfigError: the language has no mark.
        """
        units = split(text, self.kind)
        if not units:
            raise TextError("the text is empty")
        if language is not None and language not in self.languages:
            raise ConfigError(
                f"unknown language {language!r}: this model has {', '.join(self.languages)}"
            )
        out = np.zeros((1 + len(units), self.columns), np.int32)
        out[0, 0] = ANY if language is None else ANY + 1 + self.languages.index(language)
        out[1:, 0] = [self._ids.get(unit, UNKNOWN) for unit in units]
        if self.buckets and self.kind == "words":
            for row, unit in zip(out[1:], units):
                grams = ngrams(unit, self.buckets)
                row[1 : 1 + len(grams)] = grams
        elif self.buckets:
            out[1:, 1:] = self._surroundings(units, hide, random)
        return out

    def _surroundings(self, letters: list[str], hide: float, random) -> np.ndarray:
        """int32 [S, 6]: hashes of the word a character stands in, the one before and the next, of
        its place in the word, and of its pairs with the characters before and after.

        A word is a run of letters, or a single other character; white space stands in none.
        """
        found = re.findall(r"\w+|[^\w\s]", "".join(letters))
        known = {word: word for word in found if word in self._frequent}
        known = dict.fromkeys((w for w in found if w in self._familiar), _FAMILIAR_WORD) | known
        if hide:
            kept = (w for w in sorted(known) if not w.isalpha() or random.random() > hide)
            known = {word: known[word] for word in kept}
        words = ["<", *(known.get(word, _UNKNOWN_WORD) for word in found), ">"]
        features = np.array(
            [
                [_hash(f"{side}{words[i + step]}", self.buckets) for side, step in _SIDES]
                for i in range(1, len(words) - 1)
            ],
            np.int32,
        ).reshape(-1, len(_SIDES))
        places = [(i, offset) for i, word in enumerate(found) for offset in range(len(word))]
        shown = [i for i, letter in enumerate(letters) if not letter.isspace()]
        out = np.zeros((len(letters), FEATURES["characters"]), np.int32)
        around = [" ", *letters, " "]
        for place, (word, offset) in zip(shown, places):
            out[place, : len(_SIDES)] = features[word]
            out[place, len(_SIDES) :] = [
                _hash(feature, self.buckets)
                for feature in (
                    f"@{offset}",
                    f"<{around[place]}{around[place + 1]}",
                    f">{around[place + 1]}{around[place + 2]}",
                )
            ]
        return out

    @functools.cached_property
    def _frequent(self) -> frozenset[str]:
        return frozenset(self.frequent)

    @functools.cached_property
    def _familiar(self) -> frozenset[str]:
        return frozenset(self.familiar)

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Units":
        """The inverse of `to_dict`; raises ConfigError naming what is wrong."""
        return read_as(cls, values, "units")


def columns(config: TextConfig) -> int:
    """1 + G, numbers that a unit is made of: its id and its features, if there are any."""
    return 1 + FEATURES[config.kind] * (config.buckets > 0)


def split(text: str, kind: str) -> list[str]:
    """The words or characters of a normalized text."""
    return normalise(text).split() if kind == "words" else list(normalise(text))


def normalise(text: str) -> str:
    """NFC, lower case, white space folded."""
    return unicodedata.normalize("NFC", " ".join(text.split())).lower()


@functools.lru_cache(maxsize=1 << 16)
def ngrams(unit: str, buckets: int) -> tuple[int, ...]:
    """Hashes 1 .. buckets - 1 of a unit's n-grams, its borders marked; at most MOST_GRAMS."""
    marked = f"<{unit}>"
    grams = [marked[i : i + n] for n in SIZES for i in range(len(marked) - n + 1)]
    if len(grams) > MOST_GRAMS:
        grams = [grams[i] for i in np.linspace(0, len(grams) - 1, MOST_GRAMS).astype(int)]
    return tuple(_hash(gram, buckets) for gram in grams)


@functools.lru_cache(maxsize=1 << 18)
def _hash(feature: str, buckets: int) -> int:
    return 1 + zlib.crc32(feature.encode("utf-8", "surrogatepass")) % (buckets - 1)


def collect_units(
    texts: Sequence[str],
    kind: str,
    languages: Sequence[str],
    *,
    marks: int,
    rows: int,
    buckets: int,
    familiar: Iterable[str] = (),
) -> Units:
    """The units of train texts, the most frequent first, as many as fit into `rows`.

    Words that are `familiar` are kept in small letters, for characters alone.

    Raises ConfigError when not even one fits, or the languages outnumber the marks.
    """
    if len(languages) > marks:
        raise ConfigError(f"config.text.languages: {marks} marks for {len(languages)} languages")
    counts = Counter(unit for text in texts for unit in split(text, kind))
    room = rows - (ANY + 1 + marks)
    if room < 1:
        raise ConfigError(f"config.text.units: {rows} rows hold no unit beside {marks} marks")
    known = sorted(counts, key=lambda unit: (-counts[unit], unit))[:room]
    frequent: tuple[str, ...] = ()
    familiar_words: tuple[str, ...] = ()
    if kind == "characters" and buckets:
        familiar_words = tuple(
            sorted({w for f in familiar for w in re.findall(r"\w+", normalise(f))})
        )
        words = Counter(w for t in texts for w in set(re.findall(r"\w+|[^\w\s]", normalise(t))))
        frequent = tuple(sorted(w for w, n in words.items() if n >= FREQUENT * len(texts)))
    return Units(kind, tuple(languages), marks, tuple(known), frequent, buckets, familiar_words)
