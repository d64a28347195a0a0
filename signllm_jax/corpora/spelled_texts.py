"""The texts of the demo: 1 to 16 letters, words, names, letter strings and texts of several words.

Train has the short words of `fingerspelling`, longer words and names, and texts that are made here:
letter strings, words joined to longer ones, and two or three words with a pause between them. In
letter strings equal letters follow each other more often than in words, because words have few
doubled letters. The texts are the same on every machine. Those of dev and test are in files.
"""

import functools
import random
from collections.abc import Iterator, Sequence

from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.fingerspelling import SPLITS, Example, make_example, spell, spelled_clip
from signllm_jax.corpora.letters import letters, small

LONGEST = 16
"""Most letters and pauses of a text."""
STRINGS, JOINED, PHRASES, GROUPS, SHORT = 300, 100, 100, 120, 150
"""Numbers of texts in train: letter strings, joined words, texts of several words, texts of several
short letter strings, and strings of two or three letters, whose letters last longer."""
DOUBLED = 0.15
"""Share of the letters of a string that repeat the letter before."""


def texts(language: str) -> dict[str, tuple[str, ...]]:
    """The texts of a language: split name -> texts; raises TextError as `letters` does."""
    return dict(_lists(language))


def tokens(text: str, language: str) -> int:
    """The letters and pauses of a text; raises TextError as `spell` does."""
    return sum(len(spell(word, language)) + 1 for word in text.split()) - 1


def corpus(language: str, split: str) -> Iterator[Example]:
    """The examples of a split, in order; the same on every call and machine."""
    for text in texts(language)[split]:
        name = f"{language}_fingerspelling_texts_{'_'.join(text.split())}"
        yield make_example(name, language, text, spelled_clip(text, language))


@functools.cache
def _lists(language: str) -> dict[str, tuple[str, ...]]:
    short = fingerspelling.words(language)
    written = _written(language)
    held = {split: _mixed(short[split], written[split]) for split in ("dev", "test")}
    unseen = {*held["dev"], *held["test"]}
    known = [*short["train"], *written["train"]]
    # the generator of Python's random is the same in all versions, that of numpy need not be
    draw = random.Random(f"texts of {language}")
    made = [
        *(small(unit, language) for unit in letters(language)),
        *(_string(draw, language) for _ in range(STRINGS)),
        *(_several(draw, known, "", language) for _ in range(JOINED)),
        *(_several(draw, known, " ", language) for _ in range(PHRASES)),
        *(_groups(draw, language) for _ in range(GROUPS)),
        *(_string(draw, language, 2, 3) for _ in range(SHORT)),
    ]
    train = dict.fromkeys(text for text in [*known, *made] if text not in unseen)
    return {"train": tuple(train), **held}


def _written(language: str) -> dict[str, list[str]]:
    """Split -> its texts in the file of the language."""
    written: dict[str, list[str]] = {split: [] for split in SPLITS}
    for section, lines in fingerspelling.read_sections(f"{language}-texts"):
        split, _, phrases = section.partition("-")
        written[split] += lines if phrases else " ".join(lines).split()
    return written


def _mixed(*lists: Sequence[str]) -> tuple[str, ...]:
    """All lists, spread evenly, so that the first texts of a split have all lengths."""
    order = [(i / len(texts), i, text) for texts in lists for i, text in enumerate(texts)]
    return tuple(text for _, _, text in sorted(order))


def _string(draw: random.Random, language: str, fewest: int = 2, most: int = LONGEST) -> str:
    """Letters at random."""
    known = letters(language)
    chosen: list[str] = []
    for _ in range(fewest + int(draw.random() * (most - fewest + 1))):
        repeats = bool(chosen) and draw.random() < DOUBLED
        chosen.append(chosen[-1] if repeats else known[int(draw.random() * len(known))])
    return small("".join(chosen), language)


def _groups(draw: random.Random, language: str) -> str:
    """Two or three strings of one to three letters, with pauses between."""
    count = 2 + int(draw.random() * 1.4)
    return " ".join(_string(draw, language, 1, 3) for _ in range(count))


def _several(draw: random.Random, known: Sequence[str], between: str, language: str) -> str:
    """Two or three known words joined by `between`, LONGEST letters and pauses at most."""
    while True:
        count = 2 + int(draw.random() * 1.4)
        text = between.join(known[int(draw.random() * len(known))] for _ in range(count))
        if tokens(text, language) <= LONGEST:
            return text
