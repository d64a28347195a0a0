"""Cues: the letters or glosses that are signed in a clip, with their times."""

import dataclasses
import itertools
import operator
from collections.abc import Collection, Sequence

# frames of the recorded letters on which the demo is trained: only their ratios matter here
_HOLD, _MOVE, _PAUSE = 12, 4, 12
_LETTER = 0.6  # duration of a letter within a sentence, as a part of a sign's duration


@dataclasses.dataclass(frozen=True)
class Cue:
    """One letter or gloss of a clip.

    Attributes:
        start: seconds from the clip's start.
        end: seconds from the clip's start.
        label: the letter as in the alphabet, in lower case, or the gloss or text.
        word: index of the word of the text to which it belongs, from 0.
        spelled: whether it is a letter of a manual alphabet.
    """

    start: float
    end: float
    label: str
    word: int = 0
    spelled: bool = True


def spelled_cues(words: Sequence[Sequence[str]], seconds: float) -> tuple[Cue, ...]:
    """The letters of spelled words, with times in the proportions of the training clips.

    The times are an estimate: the model itself does not tell where a letter ends. A movement
    belongs half to the letter before and half to the letter after; the middle of a pause belongs
    to no letter.

    Args:
        words: the letters of every word.
        seconds: length of the clip.
    """
    spans, at = [], 0.0
    for number, word in enumerate(words):
        for position, letter in enumerate(word):
            start = at - (_MOVE / 2 if number or position else 0)
            at += _HOLD
            last = (number, position) == (len(words) - 1, len(word) - 1)
            spans.append((start, at + (0 if last else _MOVE / 2), letter, number))
            at += _MOVE if position < len(word) - 1 else (0 if last else _PAUSE)
    scale = seconds / at if at else 0.0
    return tuple(Cue(start * scale, end * scale, *label) for start, end, *label in spans)


def signed_cues(
    glosses: Sequence[str],
    seconds: float,
    letters: Collection[int] = (),
    shares: Sequence[float] | None = None,
) -> tuple[Cue, ...]:
    """The glosses of a signed sentence, each with its share of the clip.

    Where the model does not tell how long each gloss lasts, they share the clip equally, except
    that letters take less time. In composed sentences equal shares are nearer to the true times
    than the decoder's cross-attention.

    Args:
        glosses: glosses in the order of signing.
        seconds: length of the clip.
        letters: indices of the glosses that are letters of spelled words.
        shares: relative duration of each gloss; None = not known.
    """
    if shares is None:
        shares = [_LETTER if index in letters else 1.0 for index in range(len(glosses))]
    ends = list(itertools.accumulate(shares, initial=0.0))
    scale, word, cues = seconds / (ends[-1] or 1.0), 0, []
    for index, gloss in enumerate(glosses):
        spelled = index in letters
        word += bool(index) and not (spelled and index - 1 in letters)
        cues.append(Cue(ends[index] * scale, ends[index + 1] * scale, gloss, word, spelled))
    return tuple(cues)


def moved_cues(cues: Sequence[Cue], seconds: float, words: int) -> tuple[Cue, ...]:
    """Moves cues to a later time and word, by a number of seconds and of words."""
    return tuple(
        Cue(cue.start + seconds, cue.end + seconds, cue.label, cue.word + words, cue.spelled)
        for cue in cues
    )


def cue_at(cues: Sequence[Cue], moment: float) -> int | None:
    """The index of the cue at a moment in seconds, None in a pause."""
    return next((i for i, cue in enumerate(cues) if cue.start <= moment < cue.end), None)


def spelling(cues: Sequence[Cue]) -> str:
    """`h-e-l-l-o w-o-r-l-d`; empty where not all of the clip is spelled."""
    if not all(cue.spelled for cue in cues):
        return ""
    words = itertools.groupby(cues, key=operator.attrgetter("word"))
    return " ".join("-".join(cue.label for cue in letters) for _, letters in words)
