"""Sentences that are drawn from a grammar, for every split others."""

import random
from collections.abc import Mapping

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.grammar import START, Choice, Grammar

_TRIES = 400  # draws for each sentence that is asked for


def draw_sentences(grammar: Grammar, place: str = "grammar") -> dict[str, list[tuple[str, ...]]]:
    """Draws the sentences of every split; no sentence is in two of them.

    Args:
        grammar: What may be said.
        place: What to name in an error.

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
    found: dict[tuple[str, ...], None] = {}
    for _ in range(_TRIES * wanted):
        sentence = tuple(_derive(grammar.rules[START], grammar.rules, draw))
        if grammar.fewest <= len(sentence) <= grammar.most:
            found[sentence] = None
            if len(found) == wanted:
                break
    if len(found) < wanted:
        raise DataError(
            f"{place}: {wanted} sentences are asked for (%train, %dev, %test), and it has "
            f"{len(found)} of {grammar.fewest} to {grammar.most} signs"
        )
    # drawn early are the likely ones, which are short: every split is to have some of them
    mixed = _covering_first(sorted(found, key=lambda sentence: draw.random()))
    made, start = {}, 0
    for split, (count, _) in grammar.sizes.items():
        made[split] = mixed[start : start + count]
        start += count
    trained = {sign for sentence in made["train"] for sign in sentence}
    for split in ("dev", "test"):
        for sign in sorted({sign for sentence in made[split] for sign in sentence} - trained):
            raise DataError(f"{place}: the sign {sign!r} is in no sentence of train: ask for more")
    return made


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
    made: list[str] = []
    for part in choice[int(draw.random() * len(choice))]:
        if part.optional and draw.random() < 0.5:
            continue
        if part.group:
            made += _derive(part.group, rules, draw)
        elif part.quoted or part.name not in rules:
            made.append(part.name)
        else:
            made += _derive(rules[part.name], rules, draw)
    return made
