"""What is signed when in a clip: the letters of a spelled word, or its glosses."""

import dataclasses
import itertools
from collections.abc import Collection, Sequence

# frames of the recorded letters that the demo is trained on: only their ratios matter here
_HOLD, _MOVE, _PAUSE = 12, 4, 12
_LETTER = 0.6  # of a sign's time that a letter within a sentence takes


@dataclasses.dataclass(frozen=True)
class Cue:
    """One letter or gloss of a clip.

    Attributes:
        start: seconds from the clip's start.
        end: seconds.
        label: the letter as the alphabet has it, in small letters, or the gloss or text.
        word: which word of the text it belongs to, from 0.
        spelled: whether it is a letter of a manual alphabet.
    """

    start: float
    end: float
    label: str
    word: int = 0
    spelled: bool = True


def spelled_cues(words: Sequence[Sequence[str]], seconds: float) -> tuple[Cue, ...]:
    """The letters of spelled words, whose times are shared out as the training clips have them.

    They are an estimate: the model itself does not say where a letter ends. Movements belong half
    to the letter before and half to the one after; the middle of a pause belongs to none.

    Args:
        words: the letters of every word.
        seconds: length of the clip.
    """
    placed, at = [], 0.0
    for number, word in enumerate(words):
        for place, letter in enumerate(word):
            start = at - (_MOVE / 2 if number or place else 0)
            at += _HOLD
            ends = (number, place) == (len(words) - 1, len(word) - 1)
            placed.append((start, at + (0 if ends else _MOVE / 2), letter, number))
            at += _MOVE if place < len(word) - 1 else (0 if ends else _PAUSE)
    scale = seconds / at if at else 0.0
    return tuple(Cue(a * scale, b * scale, letter, word) for a, b, letter, word in placed)


def signed_cues(
    glosses: Sequence[str],
    seconds: float,
    letters: Collection[int] = (),
    shares: Sequence[float] | None = None,
) -> tuple[Cue, ...]:
    """The glosses of a signed sentence, each with its share of the clip.

    Where the model does not say how long each gloss lasts, they share the clip equally, and letters
    take less. In composed sentences equal shares lie nearer to the signs than where the decoder's
    cross-attention looks.

    Args:
        glosses: in the order of signing.
        seconds: length of the clip.
        letters: places of the glosses that are letters of spelled words.
        shares: how long each gloss lasts beside the others; None = not known.
    """
    if shares is None:
        shares = [_LETTER if place in letters else 1.0 for place in range(len(glosses))]
    ends = list(itertools.accumulate(shares, initial=0.0))
    scale, word, cues = seconds / (ends[-1] or 1.0), 0, []
    for place, gloss in enumerate(glosses):
        spelled = place in letters
        word += bool(place) and not (spelled and place - 1 in letters)
        cues.append(Cue(ends[place] * scale, ends[place + 1] * scale, gloss, word, spelled))
    return tuple(cues)


def moved_cues(cues: Sequence[Cue], seconds: float, words: int) -> tuple[Cue, ...]:
    """The cues, so many seconds later and of so many words later."""
    return tuple(
        dataclasses.replace(
            cue, start=cue.start + seconds, end=cue.end + seconds, word=cue.word + words
        )
        for cue in cues
    )


def cue_at(cues: Sequence[Cue], moment: float) -> int | None:
    """The number of the cue that a moment in seconds belongs to, None in a pause."""
    return next((i for i, cue in enumerate(cues) if cue.start <= moment < cue.end), None)


def spelling(cues: Sequence[Cue]) -> str:
    """`h-e-l-l-o w-o-r-l-d`; empty where not all of the clip is spelled."""
    if not all(cue.spelled for cue in cues):
        return ""
    words: dict[int, list[str]] = {}
    for cue in cues:
        words.setdefault(cue.word, []).append(cue.label)
    return " ".join("-".join(letters) for letters in words.values())
