"""Texts that consist of the glosses of their clips in the order of signing: `hello tea please`."""

from collections.abc import Iterable, Sequence

MOST = 4096
"""Largest number of signs of a corpus."""


def spoken_signs(texts: Iterable[str], glosses: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The sorted signs that make up the texts; empty if a text has anything else.

    Args:
        texts: Texts of clips.
        glosses: Glosses of the same clips, for example `THANK-YOU` for `thank you`.
    """
    signs: set[str] = set()
    for text, line in zip(texts, glosses, strict=True):
        names = [_plain(gloss) for gloss in line]
        signs.update(names)
        if not names or " ".join(names) != _plain(text) or len(signs) > MOST:
            return ()
    return tuple(sorted(signs))


def split_signs(text: str, signs: Sequence[str]) -> list[str]:
    """The signs of a text, the longest match first; only the text itself if it has anything else.

    Args:
        text: Text to be signed.
        signs: Signs as returned by `spoken_signs`.
    """
    words, known, matches = _plain(text).split(), frozenset(signs), []
    longest = max((sign.count(" ") + 1 for sign in signs), default=0)
    while words:
        starts = (" ".join(words[:size]) for size in range(longest, 0, -1))
        sign = next((start for start in starts if start in known), None)
        if sign is None:
            return [text]
        matches.append(sign)
        del words[: sign.count(" ") + 1]
    return matches or [text]


def _plain(text: str) -> str:
    """Lower case, with single spaces instead of hyphens and white space."""
    return " ".join(text.casefold().replace("-", " ").split())
