"""Gloss vocabularies: the glosses of a train split as ids, 0 = blank and padding, 1 = unknown."""

from collections import Counter
from collections.abc import Iterable, Sequence

UNKNOWN = 1
_FIRST = 2


def gloss_vocabulary(lines: Iterable[Sequence[str]], rows: int) -> tuple[str, ...]:
    """The most frequent glosses, at most rows - 2; equally frequent ones in alphabetical order.

    Args:
        lines: glosses of every training example.
        rows: largest number of ids, blank and unknown included.
    """
    counts = Counter(gloss for line in lines for gloss in line)
    ordered = sorted(counts, key=lambda gloss: (-counts[gloss], gloss))
    return tuple(ordered[: max(rows - _FIRST, 0)])


def encode_glosses(lines: Iterable[Sequence[str]], vocabulary: Sequence[str]) -> list[list[int]]:
    """Ids of the glosses of every example; a gloss that is not in the vocabulary is UNKNOWN."""
    ids = {gloss: id_ for id_, gloss in enumerate(vocabulary, _FIRST)}
    return [[ids.get(gloss, UNKNOWN) for gloss in line] for line in lines]
