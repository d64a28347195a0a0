"""Fingerspelled texts by many signers: each clip by one of them, several takes of every text.

The texts are those of `spelled_texts` in ASL. Every take has a signer and a tempo of its own, so a
model can learn how letters make words and how signers differ. A second test split has signers whom
no train clip shows, and who spell with their own letters alone.
"""

import random
from collections.abc import Iterator

from signllm_jax.corpora import spelled_texts
from signllm_jax.corpora.fingerspelling import SPLITS, Example, make_example, spell
from signllm_jax.corpora.joining import join_letters
from signllm_jax.corpora.letters import small
from signllm_jax.corpora.signers import SIGNERS, UNSEEN, own_letters, signer_alphabet

LANGUAGE = "asl"
SIGNER_TEST = "test_signers"
"""The split of the unseen signers."""
TAKES = {"train": 2, "dev": 2, "test": 4}
"""Takes of every text, by different signers."""
TEMPO = (9, 16)
"""Fewest and most frames that a letter is held."""
STRINGS = 60
"""Texts of each unseen signer."""


def corpus(language: str, split: str) -> Iterator[Example]:
    """The examples of a split, the takes of a text one after the other; always the same."""
    if split == SIGNER_TEST:
        for signer in UNSEEN:
            for text in _letter_strings(signer):
                yield example_of(language, text, signer, 0, split)
        return
    for text in spelled_texts.texts(language)[split]:
        chosen = list(SIGNERS)
        draw = random.Random(f"signers of {text}")
        for take in range(TAKES[split]):
            signer = chosen.pop(int(draw.random() * len(chosen)))
            yield example_of(language, text, signer, take, split)


def example_of(language: str, text: str, signer: str, take: int, split: str) -> Example:
    """A text by a signer, always at the same tempo; `take` and `split` are parts of its id."""
    low, high = TEMPO
    draw = random.Random(f"tempo of {text} {signer}")
    tempo = low + int(draw.random() * (high - low + 1))
    words = [spell(word, language) for word in text.split()]
    alphabet = signer_alphabet(signer)
    which = f"{signer}_{take}" if split == SIGNER_TEST else str(take)
    name = f"{language}_fingerspelling_signers_{'_'.join(text.split())}_{which}"
    clip = join_letters([[(unit, alphabet[unit]) for unit in word] for word in words], tempo)
    return make_example(name, language, text, clip, signer)


def _letter_strings(signer: str) -> tuple[str, ...]:
    """Letter strings of 1 to 16 of the letters that a signer has, in no other split."""
    known, draw = own_letters(signer), random.Random(f"strings of {signer}")
    trained = {text for split in SPLITS for text in spelled_texts.texts(LANGUAGE)[split]}
    strings: dict[str, None] = {}
    while len(strings) < STRINGS:
        size = 2 + int(draw.random() * (spelled_texts.LONGEST - 1))
        text = "".join(known[int(draw.random() * len(known))] for _ in range(size))
        if small(text, LANGUAGE) not in trained:
            strings[small(text, LANGUAGE)] = None
    return tuple(strings)
