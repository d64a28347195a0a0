"""LangGloss: glosses with the mark of their sign language on every token, `<asl:HELLO>`.

A fingerspelled letter within a sentence has the gloss `FS:A`, which distinguishes it from a sign
whose name is a letter; with its mark it is `<asl_fs:A>`.

A model reads and writes a token as two numbers, the mark and the gloss, and composes its embedding,
`E(language) + E(gloss)`: a gloss that two languages share has one row. A gloss that has no row is
spelled: `SPELL`, then its characters, or the bytes (UTF-8) of characters that have none; so nothing
is unknown, and names and numbers can be copied.
"""

import collections
import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from signllm_jax.core.errors import ConfigError, DataError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.schema import read_as

PAD, BOS, EOS, SPELL = 0, 1, 2, 3
_FIRST_BYTE, _FIRST_PIECE = 4, 260
_CHARACTER, _GLOSS = "c", "g"

UNDETERMINED = "und"
"""The mark of a token to which a model gave no language."""
FINGERSPELLED = "FS:"
"""Prefix of the gloss of a fingerspelled letter."""
_FS = "_fs"  # suffix of the mark of such a gloss


def to_langgloss(glosses: Iterable[str], language: str) -> list[str]:
    """Marks every gloss: `["HELLO", "FS:A"]`, `asl` -> `["<asl:HELLO>", "<asl_fs:A>"]`.

    Raises TextError when a gloss is empty or has white space in it.
    """
    code, glosses = get_language(language).code, list(glosses)
    for gloss in glosses:
        if gloss.split() != [gloss]:
            raise TextError(f"not a gloss: {gloss!r}")
    return [_marked(code, gloss) for gloss in glosses]


def _marked(code: str, gloss: str) -> str:
    letter = gloss.removeprefix(FINGERSPELLED)
    return f"<{code}:{gloss}>" if letter in ("", gloss) else f"<{code}{_FS}:{letter}>"


def split_marks(marked: str | Iterable[str]) -> list[tuple[str, str]]:
    """The (language, gloss) of every token of a line or list, whatever languages they are of.

    Raises TextError naming the first token that is not of the form `<language:gloss>`.
    """
    pairs = []
    for token in marked.split() if isinstance(marked, str) else marked:
        match = re.fullmatch(r"<([a-z][a-z0-9_]*):(\S+)>", token)
        if not match:
            raise TextError(f"not a LangGloss token: {token!r}")
        code = match[1].removesuffix(_FS)
        pairs.append((code, match[2] if code == match[1] else FINGERSPELLED + match[2]))
    return pairs


def from_langgloss(marked: str | Iterable[str]) -> tuple[list[str], str]:
    """The glosses and their one language, the inverse of `to_langgloss`.

    Raises TextError when there is no token or they are of several languages.
    """
    pairs = split_marks(marked)
    languages = sorted({language for language, _ in pairs})
    if len(languages) != 1:
        raise TextError(
            f"LangGloss of several languages: {', '.join(languages)}" if pairs else "no LangGloss"
        )
    return [gloss for _, gloss in pairs], languages[0]


class Encoded(NamedTuple):
    """A line as numbers: `ids` and `marks` [G], of the same length, `EOS` not included."""

    ids: list[int]
    marks: list[int]


@dataclasses.dataclass(frozen=True)
class LangGlossVocabulary:
    """Glosses <-> ids, languages <-> marks. Make one with `build`; it only ever grows at the end.

    Ids: PAD, BOS, EOS, SPELL, 256 bytes, then the pieces. Marks: 0 for padding, then the languages.

    Attributes:
        languages: codes in the order of their marks.
        pieces: characters (`c` and the character) and glosses (`g` and the gloss) in id order.
    """

    languages: tuple[str, ...]
    pieces: tuple[str, ...]
    _ids: dict[str, int] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self):
        ids = {piece: _FIRST_PIECE + i for i, piece in enumerate(self.pieces)}
        if not all(len(piece) > 1 and piece[0] in _CHARACTER + _GLOSS for piece in self.pieces):
            raise DataError("damaged LangGloss vocabulary: a piece is no character and no gloss")
        if len(ids) < len(self.pieces) or len({*self.languages}) < len(self.languages):
            raise DataError("a LangGloss vocabulary has an entry twice")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def build(
        cls,
        lines: Mapping[str, Iterable[Sequence[str]]],
        min_count: int = 1,
        max_pieces: int | None = None,
    ) -> "LangGlossVocabulary":
        """The vocabulary of train lines.

        Args:
            lines: language code -> its lines of glosses.
            min_count: least number of occurrences of a gloss with a row; the model learns to spell
                from the rarer ones.
            max_pieces: largest number of glosses; frequent glosses come first, by the rank in
                their language, so that a large corpus does not displace a small one.
        """
        return cls((), ()).extend(lines, min_count, max_pieces)

    def extend(
        self,
        lines: Mapping[str, Iterable[Sequence[str]]],
        min_count: int = 1,
        max_pieces: int | None = None,
    ) -> "LangGlossVocabulary":
        """Appends languages and glosses; the old ids stay the same. Arguments as in `build`."""
        ranks: dict[str, int] = {}
        characters: set[str] = set()
        for code, language_lines in lines.items():
            get_language(code)
            counts = collections.Counter(itertools.chain.from_iterable(language_lines))
            characters.update(*counts)
            for rank, gloss in enumerate(sorted(counts, key=lambda gloss: (-counts[gloss], gloss))):
                if counts[gloss] >= min_count:
                    ranks[gloss] = min(rank, ranks.get(gloss, rank))
        glosses = [g for g in sorted(ranks, key=lambda g: (ranks[g], g)) if not self.knows(g)]
        pieces = [_CHARACTER + letter for letter in sorted(characters)]
        pieces += [_GLOSS + gloss for gloss in glosses[:max_pieces]]
        languages = tuple(dict.fromkeys((*self.languages, *lines)))
        return LangGlossVocabulary(languages, tuple(dict.fromkeys((*self.pieces, *pieces))))

    @property
    def size(self) -> int:
        """Number of ids."""
        return _FIRST_PIECE + len(self.pieces)

    @property
    def marks(self) -> int:
        """Number of marks, that of padding included."""
        return 1 + len(self.languages)

    def mark(self, language: str) -> int:
        """The mark of a language; raises TextError if the vocabulary does not have the language."""
        if language not in self.languages:
            raise TextError(f"no LangGloss of {language!r}: there is {', '.join(self.languages)}")
        return 1 + self.languages.index(language)

    def knows(self, gloss: str) -> bool:
        """Whether a gloss has a row of its own and hence is not spelled."""
        return _GLOSS + gloss in self._ids

    def encode(self, glosses: Iterable[str], language: str) -> Encoded:
        """Ids and marks of a line; errors as in `to_langgloss` and `mark`."""
        mark, ids, glosses = self.mark(language), [], list(glosses)
        to_langgloss(glosses, language)  # refuses what is not a gloss
        for gloss in glosses:
            known = self._ids.get(_GLOSS + gloss)
            ids += [known] if known is not None else self._spell(gloss)
        return Encoded(ids, [mark] * len(ids))

    def _spell(self, gloss: str) -> list[int]:
        ids = [SPELL]
        for letter in gloss:
            known = self._ids.get(_CHARACTER + letter)
            content = letter.encode("utf-8", "surrogatepass")
            ids += [_FIRST_BYTE + byte for byte in content] if known is None else [known]
        return ids

    def decode(self, ids: Iterable[int], marks: Iterable[int]) -> list[str]:
        """Marked tokens of a model's output up to `EOS`; all numbers below the sizes are legal.

        A spelled gloss has all characters that follow `SPELL`, and the mark of `SPELL`. Invalid
        UTF-8 becomes U+FFFD; a spelled gloss without characters and characters without `SPELL`
        are dropped.
        """
        spelled: list[tuple[int, bytes]] = []
        inside = False
        for id_, mark in zip(ids, marks):
            id_, mark = int(id_), int(mark)
            if id_ == EOS:
                break
            if id_ in (PAD, BOS):
                continue
            if id_ == SPELL:
                kind, content = _GLOSS, b""
            elif id_ < _FIRST_PIECE:
                kind, content = _CHARACTER, bytes([id_ - _FIRST_BYTE])
            else:
                piece = self.pieces[id_ - _FIRST_PIECE]
                kind, content = piece[0], piece[1:].encode("utf-8", "surrogatepass")
            if kind == _GLOSS:
                spelled.append((mark, content))
                inside = id_ == SPELL
            elif inside:
                spelled[-1] = (spelled[-1][0], spelled[-1][1] + content)
        codes = (UNDETERMINED, *self.languages)
        glosses = [(codes[mark], _readable(content)) for mark, content in spelled]
        return [_marked(code, gloss) for code, gloss in glosses if gloss]

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return {"languages": list(self.languages), "pieces": list(self.pieces)}

    @classmethod
    def from_dict(cls, content: Mapping) -> "LangGlossVocabulary":
        """The inverse of `to_dict`; raises DataError when it is damaged."""
        try:
            return read_as(cls, content, "vocabulary")
        except ConfigError as error:
            raise DataError(f"damaged LangGloss vocabulary: {error}") from None


def _readable(content: bytes) -> str:
    """The gloss in bytes that a model wrote, without white space, which no gloss has."""
    try:
        text = content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
    return "".join(text.split())
