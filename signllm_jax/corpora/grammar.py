"""Grammars of signed sentences: which signs may follow each other, and how many sentences are made.

A grammar is a text file of rules and settings:

    # ordering in a café, in the order of the signs
    sentence = [hello] [can] i get thing | thing please | no "thank you"
    thing = [a] [small | large] coffee | tea

    %signs 2 7
    %train 300 3
    %dev 40
    %test 60 2
    %test_sessions morning evening

The rule `sentence` is the first one asked. A word is another rule where there is one of that name,
else a sign, named by the text of its takes; signs of several words stand in quotation marks. `|`
divides alternatives, `[...]` may be left out, `(...)` groups. `<spelled>` is a word that is
fingerspelled, as a name is; every take of a sentence has another one. A rule may go on in the next
lines, which are indented. `%signs` says how many signs a sentence has, `%train`, `%dev` and `%test`
how many sentences of a split there are and how many takes of each, and `%dev_sessions` and
`%test_sessions` whose takes are kept for these splits.
"""

import dataclasses
import hashlib
import os
import re
from collections.abc import Mapping

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.tables import read_text

START = "sentence"
FINGERSPELLED_WORD = "<spelled>"
"""What stands in a rule, and in a drawn sentence, for a word that is fingerspelled."""
FEWEST, MOST = 2, 7
"""Signs of a sentence where the grammar has no `%signs`."""
_SIZES = {"train": (300, 3), "dev": (40, 1), "test": (60, 2)}
_LONGEST = 64  # signs of a sentence, and the deepest nesting of rules
_TOKEN = re.compile(r'\s*(?:"([^"<>]+)"|([\[\]()|])|(<spelled>|[^\s\[\]()|"=%<>]+))')

Choice = tuple[tuple["Part", ...], ...]
"""Alternatives, each a sequence of parts."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of an alternative: a sign or rule by its `name`, or a group of alternatives.

    Attributes:
        name: Of the sign or the rule; nothing of a group.
        group: Alternatives in brackets.
        optional: Whether it may be left out.
        quoted: Whether the name stood in quotation marks, and is thus a sign's.
    """

    name: str = ""
    group: Choice = ()
    optional: bool = False
    quoted: bool = False


@dataclasses.dataclass(frozen=True)
class Grammar:
    """A grammar that was read.

    Attributes:
        rules: Name -> alternatives.
        signs: Texts of all signs that it has, sorted; FINGERSPELLED_WORD is none.
        fewest: Signs of the shortest sentence.
        most: Signs of the longest sentence.
        sizes: Split -> number of sentences and takes of each.
        sessions: Split -> sessions (signers of the manifest) that are kept for it; empty = the
            takes that no other split keeps.
        digest: Of the file's text.
        spells: Whether it has words that are fingerspelled.
    """

    rules: Mapping[str, Choice]
    signs: tuple[str, ...]
    fewest: int
    most: int
    sizes: Mapping[str, tuple[int, int]]
    sessions: Mapping[str, tuple[str, ...]]
    digest: str
    spells: bool = False


def read_grammar(path: str | os.PathLike) -> Grammar:
    """Reads a grammar; raises DataError, which names the line, where it is none."""
    return parse_grammar(read_text(path), os.fspath(path))


def parse_grammar(text: str, place: str = "grammar") -> Grammar:
    """Parses the text of a grammar.

    Args:
        text: As in the docstring of this module.
        place: What to name in an error.

    Raises:
        DataError: A line is neither rule nor setting, brackets do not fit, there is no rule
            `sentence`, a rule asks for itself, or a rule is never asked for.
    """
    rules: dict[str, Choice] = {}
    settings: dict[str, list[str]] = {}
    for number, line in _lines(text):
        where = f"{place}: line {number}"
        if line.startswith("%"):
            name, *values = line[1:].split() or [""]
            if name in settings:
                raise DataError(f"{where}: %{name} stands there twice")
            settings[name] = values
            _check_setting(name, values, where)
            continue
        name, equals, right = line.partition("=")
        name = name.strip()
        if not equals or not re.fullmatch(r"\w+", name):
            raise DataError(f"{where}: neither NAME = ALTERNATIVES nor %SETTING: {line!r:.60}")
        if name in rules:
            raise DataError(f"{where}: the rule {name!r} stands there twice")
        rules[name] = _parse_right(right, where)
    if START not in rules:
        raise DataError(f"{place}: has no rule {START!r}")
    signs: set[str] = set()
    asked = {START}
    _walk(START, rules, (), signs, asked, place)
    if unused := sorted(set(rules) - asked):
        raise DataError(f"{place}: no sentence asks for the rule {unused[0]!r}")
    fewest, most = (int(value) for value in settings.get("signs", (FEWEST, MOST)))
    sizes = dict(_SIZES)
    for split in SPLITS:
        if split in settings:
            count, versions = (int(value) for value in [*settings[split], "1"][:2])
            sizes[split] = count, versions
    sessions = {split: tuple(settings.get(f"{split}_sessions", ())) for split in SPLITS}
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    named = tuple(sorted(signs - {FINGERSPELLED_WORD}))
    return Grammar(rules, named, fewest, most, sizes, sessions, digest, FINGERSPELLED_WORD in signs)


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines without comments, continued ones joined, with the number of their first line."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].rstrip()
        if not line:
            continue
        if line[0].isspace() and found:
            found[-1] = found[-1][0], f"{found[-1][1]} {line.strip()}"
        else:
            found.append((number, line.strip()))
    return found


def _check_setting(name: str, values: list[str], where: str) -> None:
    if name.endswith("_sessions") and name.removesuffix("_sessions") in SPLITS:
        if not values:
            raise DataError(f"{where}: %{name} names no session")
        return
    if name not in ("signs", *SPLITS):
        known = ", ".join(f"%{known}" for known in ("signs", *SPLITS, "dev_sessions"))
        raise DataError(f"{where}: unknown setting %{name}: known are {known}, %test_sessions")
    numbers = [int(value) for value in values if re.fullmatch(r"\d{1,6}", value)]
    right = len(numbers) == len(values) and 1 <= len(numbers) <= 2
    if name == "signs":
        right = right and len(numbers) == 2 and 1 <= numbers[0] <= numbers[1] <= _LONGEST
        form = f"two numbers from 1 to {_LONGEST}"
    else:
        right = right and 0 not in numbers
        form = "the number of sentences and, where it is not 1, of takes of each"
    if not right:
        raise DataError(f"{where}: %{name} has {form}, not {' '.join(values)!r:.40}")


def _parse_right(right: str, where: str) -> Choice:
    tokens, end = [], 0
    right = right.rstrip()
    while end < len(right):
        match = _TOKEN.match(right, end)
        if not match:
            raise DataError(f"{where}: not understood from {right[end:]!r:.40} on")
        tokens.append(match.groups())
        end = match.end()
    choice, rest = _parse_choice(tokens, 0, "", where)
    if rest < len(tokens):
        raise DataError(f"{where}: a bracket closes that none has opened")
    return choice


def _parse_choice(tokens: list, at: int, closing: str, where: str) -> tuple[Choice, int]:
    """Alternatives from token `at` on up to `closing`, and the place after it."""
    alternatives, parts = [], []
    while at < len(tokens):
        quoted, mark, word = tokens[at]
        at += 1
        if mark in ("[", "("):
            group, at = _parse_choice(tokens, at, {"[": "]", "(": ")"}[mark], where)
            parts.append(Part(group=group, optional=mark == "["))
        elif mark == "|":
            alternatives.append(parts)
            parts = []
        elif mark:
            if mark != closing:
                raise DataError(f"{where}: {mark!r} closes what it did not open")
            closing = ""
            break
        else:
            name = " ".join((quoted or word).split())
            parts.append(Part(name, quoted=bool(quoted)))
    if closing:
        raise DataError(f"{where}: {closing!r} is missing")
    alternatives.append(parts)
    if not all(alternatives):
        raise DataError(f"{where}: an alternative is empty; what may be left out stands in [ ]")
    return tuple(tuple(parts) for parts in alternatives), at


def _walk(name: str, rules, path: tuple[str, ...], signs: set, asked: set, place: str) -> None:
    """Adds the signs and rules that a rule asks for; refuses one that asks for itself."""
    # path: the rules from `sentence` down to the one that asks for this one
    if name in path or len(path) > _LONGEST:
        raise DataError(f"{place}: the rule {name!r} asks for itself")

    def visit(choice):
        for part in (part for alternative in choice for part in alternative):
            if part.group:
                visit(part.group)
            elif part.quoted or part.name not in rules:
                signs.add(part.name)
            else:
                asked.add(part.name)
                _walk(part.name, rules, (*path, name), signs, asked, place)

    visit(rules[name])
