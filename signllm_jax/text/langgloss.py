"""LangGloss: glosses with the mark of their sign language on every token, `<asl:HELLO>`.

A fingerspelled letter within a sentence is the gloss `FS:A`, so that it is told from a sign that
has the name of a letter; marked it is `<asl_fs:A>`.

A model reads and writes a token as two numbers, the mark and the gloss, and composes its embedding,
`E(language) + E(gloss)`: a gloss that two languages share has one row. A gloss that has no row is
spelled: `SPELL`, then its characters, or the bytes (UTF-8) of characters that have none; so nothing
is unknown, and names and numbers can be copied.
"""

import collections
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from signllm_jax.core.errors import ConfigError, DataError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.schema import read_as
from signllm_jax.text.gloss import CORPORA, clean_gloss, gloss_or_words, words

__all__ = [
    "BOS",
    "CORPORA",
    "EOS",
    "FINGERSPELLED",
    "PAD",
    "SPELL",
    "UNDETERMINED",
    "Encoded",
    "LangGlossVocabulary",
    "clean_gloss",
    "from_langgloss",
    "gloss_or_words",
    "split_marks",
    "to_langgloss",
    "words",
]

PAD, BOS, EOS, SPELL = 0, 1, 2, 3
_FIRST_BYTE, _FIRST_PIECE = 4, 260
_CHARACTER, _GLOSS = "c", "g"

UNDETERMINED = "und"
"""The mark of a token that a model gave none."""
FINGERSPELLED = "FS:"
"""What the gloss of a fingerspelled letter begins with."""
_FS = "_fs"  # what the mark of such a gloss ends in


def to_langgloss(glosses: Iterable[str], language: str) -> list[str]:
    """Marks every gloss: `["HELLO", "FS:A"]`, `asl` -> `["<asl:HELLO>", "<asl_fs:A>"]`.

    Raises TextError when a gloss is empty or has white space in it.
    """
    code = get_language(language).code
    marked = []
    for gloss in glosses:
        if not gloss or gloss.split() != [gloss]:
            raise TextError(f"not a gloss: {gloss!r}")
        marked.append(_marked(code, gloss))
    return marked


def _marked(code: str, gloss: str) -> str:
    letter = gloss.removeprefix(FINGERSPELLED)
    return f"<{code}:{gloss}>" if letter in ("", gloss) else f"<{code}{_FS}:{letter}>"


def split_marks(marked: str | Iterable[str]) -> list[tuple[str, str]]:
    """The (language, gloss) of every token of a line or list, whatever languages they are of.

    Raises TextError naming the first token that is not of the form `<language:gloss>`.
    """
    found = []
    for token in marked.split() if isinstance(marked, str) else marked:
        match = re.fullmatch(r"<([a-z][a-z0-9_]*):(\S+)>", token)
        if not match:
            raise TextError(f"not a LangGloss token: {token!r}")
        code = match[1].removesuffix(_FS)
        found.append((code, match[2] if code == match[1] else FINGERSPELLED + match[2]))
    return found


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
            min_count: rarer glosses get no row; spelling them teaches the model to spell.
            max_pieces: the most glosses, the frequent ones first (by the rank in their language,
                so that a large corpus does not push out a small one).
        """
        return cls((), ()).extend(lines, min_count, max_pieces)

    def extend(
        self,
        lines: Mapping[str, Iterable[Sequence[str]]],
        min_count: int = 1,
        max_pieces: int | None = None,
    ) -> "LangGlossVocabulary":
        """With more languages or glosses behind the old ones, whose ids stay; see `build`."""
        ranks: dict[str, int] = {}
        characters: set[str] = set()
        for code, of_language in lines.items():
            get_language(code)
            counts = collections.Counter(gloss for line in of_language for gloss in line)
            characters.update(*counts)
            common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            for rank, (gloss, count) in enumerate(common):
                if count >= min_count:
                    ranks[gloss] = min(rank, ranks.get(gloss, rank))
        glosses = [g for g in sorted(ranks, key=lambda g: (ranks[g], g)) if _GLOSS + g not in self]
        pieces = [_CHARACTER + letter for letter in sorted(characters)]
        new = [piece for piece in pieces if piece not in self]
        new += [_GLOSS + gloss for gloss in glosses[:max_pieces]]
        codes = [code for code in lines if code not in self.languages]
        return LangGlossVocabulary((*self.languages, *codes), (*self.pieces, *new))

    def __contains__(self, piece: str) -> bool:
        return piece in self._ids

    @property
    def size(self) -> int:
        """Number of ids."""
        return _FIRST_PIECE + len(self.pieces)

    @property
    def marks(self) -> int:
        """Number of marks, that of padding included."""
        return 1 + len(self.languages)

    def mark(self, language: str) -> int:
        """The mark of a language; raises TextError when the vocabulary has it not."""
        try:
            return 1 + self.languages.index(language)
        except ValueError:
            raise TextError(
                f"no LangGloss of {language!r}: there is {', '.join(self.languages)}"
            ) from None

    def knows(self, gloss: str) -> bool:
        """Whether a gloss has a row of its own, so that it is not spelled."""
        return _GLOSS + gloss in self._ids

    def encode(self, glosses: Iterable[str], language: str) -> Encoded:
        """Ids and marks of a line; errors as in `to_langgloss` and `mark`."""
        mark, ids = self.mark(language), []
        glosses = list(glosses)
        to_langgloss(glosses, language)  # refuses what is not a gloss
        for gloss in glosses:
            known = self._ids.get(_GLOSS + gloss)
            ids += [known] if known is not None else self._spell(gloss)
        return Encoded(ids, [mark] * len(ids))

    def _spell(self, gloss: str) -> list[int]:
        ids = [SPELL]
        for letter in gloss:
            known = self._ids.get(_CHARACTER + letter)
            if known is None:
                ids += [_FIRST_BYTE + byte for byte in letter.encode("utf-8", "surrogatepass")]
            else:
                ids.append(known)
        return ids

    def decode(self, ids: Iterable[int], marks: Iterable[int]) -> list[str]:
        """Marked tokens of what a model wrote, up to `EOS`; any numbers below the sizes are legal.

        A spelled gloss is as long as the characters last and has the mark of its `SPELL`; bytes
        that are no UTF-8 become U+FFFD, a spelled gloss without characters and characters without
        `SPELL` are dropped.
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
                spelled.append((mark, b""))
                inside = True
                continue
            if id_ < _FIRST_PIECE:
                kind, content = _CHARACTER, bytes([id_ - _FIRST_BYTE])
            else:
                piece = self.pieces[id_ - _FIRST_PIECE]
                kind, content = piece[0], piece[1:].encode("utf-8", "surrogatepass")
            if kind == _GLOSS:
                spelled.append((mark, content))
                inside = False
            elif inside:
                spelled[-1] = (spelled[-1][0], spelled[-1][1] + content)
        codes = (UNDETERMINED, *self.languages)
        glosses = [(codes[mark], _readable(content)) for mark, content in spelled]
        return [_marked(code, gloss) for code, gloss in glosses if gloss]

    def to_dict(self) -> dict:
        """As JSON can hold it."""
        return {"languages": list(self.languages), "pieces": list(self.pieces)}

    @classmethod
    def from_dict(cls, content: Mapping) -> "LangGlossVocabulary":
        """The inverse of `to_dict`; raises DataError when it is damaged."""
        try:
            return read_as(cls, content, "vocabulary")
        except ConfigError as error:
            raise DataError(f"damaged LangGloss vocabulary: {error}") from None


def _readable(content: bytes) -> str:
    """The gloss of bytes a model wrote, without white space, which no gloss has."""
    try:
        text = content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
    return "".join(text.split())
