"""Draws sentences from a grammar, different ones for every split."""

import itertools
import random
from collections.abc import Mapping

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.grammar import START, Choice, Grammar

_TRIES = 400  # draws for each sentence that is asked for


def draw_sentences(grammar: Grammar) -> dict[str, list[tuple[str, ...]]]:
    """Draws the sentences of every split; no sentence is in two of them.

    Args:
        grammar: The grammar of the sentences.

    Returns:
        Split -> sentences, each the texts of its signs, FINGERSPELLED_WORD among them; the same on
        every machine.

    Raises:
        DataError: The grammar has fewer sentences than are asked for, or train too few to have
            all signs.
    """
    wanted = sum(count for count, _ in grammar.sizes.values())
    # the generator of Python's random is the same in all versions, that of numpy need not be
    draw = random.Random(f"sentences of {grammar.digest}")
    drawn: dict[tuple[str, ...], None] = {}
    for _ in range(_TRIES * wanted):
        sentence = tuple(_derive(grammar.rules[START], grammar.rules, draw))
        if grammar.fewest <= len(sentence) <= grammar.most:
            drawn[sentence] = None
            if len(drawn) == wanted:
                break
    if len(drawn) < wanted:
        raise DataError(
            f"grammar: {wanted} sentences are asked for (%train, %dev, %test), and it has "
            f"{len(drawn)} of {grammar.fewest} to {grammar.most} signs"
        )
    # the first draws are the likely sentences, which are short: every split gets some of them
    mixed = iter(_covering_first(sorted(drawn, key=lambda sentence: draw.random())))
    sentences = {
        split: list(itertools.islice(mixed, count)) for split, (count, _) in grammar.sizes.items()
    }
    trained = set().union(*sentences["train"])
    for split in ("dev", "test"):
        for sign in sorted(set().union(*sentences[split]) - trained):
            raise DataError(f"grammar: the sign {sign!r} is in no sentence of train: ask for more")
    return sentences


def _covering_first(sentences: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Moves the first sentence with each sign to the front, where train takes its sentences."""
    known: set[str] = set()
    first, others = [], []
    for sentence in sentences:
        (others if known.issuperset(sentence) else first).append(sentence)
        known.update(sentence)
    return first + others


def _derive(choice: Choice, rules: Mapping[str, Choice], draw: random.Random) -> list[str]:
    """One sentence, every choice at even odds."""
    signs: list[str] = []
    for part in choice[int(draw.random() * len(choice))]:
        if part.optional and draw.random() < 0.5:
            continue
        if part.group:
            signs += _derive(part.group, rules, draw)
        elif part.quoted or part.name not in rules:
            signs.append(part.name)
        else:
            signs += _derive(rules[part.name], rules, draw)
    return signs
