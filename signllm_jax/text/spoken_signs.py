"""Texts that say the glosses of their clips in the order of signing, as `hello tea please` does."""

from collections.abc import Iterable, Sequence

MOST = 4096
"""Signs that are kept of a corpus."""


def spoken_signs(texts: Iterable[str], glosses: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The signs that texts are made of, sorted; empty where a text says anything else.

    Args:
        texts: of clips.
        glosses: of the same clips, `THANK-YOU` for `thank you`.
    """
    signs: set[str] = set()
    for text, line in zip(texts, glosses, strict=True):
        said = [_plain(gloss) for gloss in line]
        if not said or " ".join(said) != _plain(text):
            return ()
        signs.update(said)
        if len(signs) > MOST:
            return ()
    return tuple(sorted(signs))


def split_signs(text: str, signs: Sequence[str]) -> list[str]:
    """The signs that a text says, longest first; the text alone where it says anything else.

    Args:
        text: what is produced.
        signs: of `spoken_signs`.
    """
    words, known, found = _plain(text).split(), frozenset(signs), []
    longest = max((sign.count(" ") + 1 for sign in signs), default=0)
    while words:
        sizes = range(min(longest, len(words)), 0, -1)
        size = next((size for size in sizes if " ".join(words[:size]) in known), 0)
        if not size:
            return [text]
        found.append(" ".join(words[:size]))
        del words[:size]
    return found or [text]


def _plain(text: str) -> str:
    """In small letters, with single spaces where hyphens or white space were."""
    return " ".join(text.casefold().replace("-", " ").split())
