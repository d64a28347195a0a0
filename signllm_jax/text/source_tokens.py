"""Input of a text stage: words or characters, each with an id and hashed features.

`words`: a word that the train split does not have becomes the unknown word, but most of its n-grams
of 3 to 5 characters are known. `characters`: a model can copy words that it has never met. The
features of a character are its word and the two words beside it if these are frequent, else
whether they are familiar; they distinguish a question from the text in it. The character's
position in the word and the adjacent characters keep the letters of a copy in order. The first
unit is the mark of the sign language that the caller asks for.
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
"""Ids of padding, of an unknown unit, and of the mark of a text without a given language."""
SIZES = (3, 4, 5)
MOST_GRAMS = 40
"""Largest number of n-grams of a unit; longer words keep evenly spaced ones."""
_UNKNOWN_WORD, _FAMILIAR_WORD = "?", "~"
_SIDES = (("=", 0), ("-", -1), ("+", 1))
FEATURES = {"words": MOST_GRAMS, "characters": len(_SIDES) + 3}
"""G, hashed features of a unit of each kind."""
FREQUENT = 0.002
"""Words in at least this share of the train texts are features of characters. Words of questions
are so frequent; words that are asked about are not."""


@dataclasses.dataclass(frozen=True)
class Units:
    """Texts -> units.

    Attributes:
        kind: `words` or `characters`.
        languages: Codes in the order of their marks.
        marks: Number of rows for marks, used or not.
        known: Words or characters in the order of their ids.
        frequent: Words that are features of characters.
        buckets: Number of rows of the hashed features; 0 = no features.
        familiar: Words whose feature, unless they are frequent, only says that they are familiar.
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
        """1 + G, numbers per unit."""
        return columns(self)

    def encode(
        self,
        text: str,
        language: str | None,
        hide: float = 0.0,
        random: np.random.Generator | None = None,
    ) -> np.ndarray:
        """int32 [S, 1 + G] of a text: the mark and the units.

        Args:
            text: A sentence or a prompt.
            language: Sign language that the caller asks for; None = the text names it.
            hide: Share of the frequent and familiar words that become unknown during training.
            random: Draws these words.

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
        """int32 [S, 6]: hashes of each character's word, the words before and after it, the
        position in the word, and the pairs with the characters before and after.

        A word is a run of letters, or a single other character; white space belongs to no word.
        """
        words = re.findall(r"\w+|[^\w\s]", "".join(letters))
        known = {word for word in words if word in self._word_features}
        if hide:
            known = {w for w in sorted(known) if not w.isalpha() or random.random() > hide}
        features = [self._word_features[w] if w in known else _UNKNOWN_WORD for w in words]
        features, around = ["<", *features, ">"], [" ", *letters, " "]
        out = np.zeros((len(letters), FEATURES["characters"]), np.int32)
        rows = (row for row, letter in enumerate(letters) if not letter.isspace())
        for number, word in enumerate(words, 1):
            of_word = [f"{side}{features[number + step]}" for side, step in _SIDES]
            hashes = [_hash(feature, self.buckets) for feature in of_word]
            for offset in range(len(word)):
                row = next(rows)
                before, letter, after = around[row : row + 3]
                of_letter = (f"@{offset}", f"<{before}{letter}", f">{letter}{after}")
                out[row] = [*hashes, *(_hash(feature, self.buckets) for feature in of_letter)]
        return out

    @functools.cached_property
    def _word_features(self) -> dict[str, str]:
        return dict.fromkeys(self.familiar, _FAMILIAR_WORD) | {word: word for word in self.frequent}

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Units":
        """The inverse of `to_dict`; raises ConfigError naming what is wrong."""
        return read_as(cls, values, "units")


def columns(sizes: TextConfig | Units) -> int:
    """1 + G, numbers per unit: its id and its hashed features, if there are any."""
    return 1 + FEATURES[sizes.kind] * (sizes.buckets > 0)


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

    The `familiar` words are kept in lower case, and only for characters.

    Raises ConfigError if no unit fits, or there are more languages than marks.
    """
    if len(languages) > marks:
        raise ConfigError(f"config.text.languages: {marks} marks for {len(languages)} languages")
    counts = Counter(unit for text in texts for unit in split(text, kind))
    room = rows - (ANY + 1 + marks)
    if room < 1:
        raise ConfigError(f"config.text.units: {rows} rows hold no unit beside {marks} marks")
    known = sorted(counts, key=lambda unit: (-counts[unit], unit))[:room]
    frequent, familiar_words = [], set()
    if kind == "characters" and buckets:
        familiar_words = {w for f in familiar for w in re.findall(r"\w+", normalise(f))}
        words = Counter(w for t in texts for w in set(re.findall(r"\w+|[^\w\s]", normalise(t))))
        frequent = [word for word, count in words.items() if count >= FREQUENT * len(texts)]
    kept = (tuple(sorted(frequent)), buckets, tuple(sorted(familiar_words)))
    return Units(kind, tuple(languages), marks, tuple(known), *kept)
