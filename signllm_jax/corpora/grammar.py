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

A sentence is made by the rule `sentence`. A word is another rule where there is one of that name,
else a sign, named by the text of its takes; signs of several words stand in quotation marks. `|`
divides alternatives, `[...]` may be left out, `(...)` groups. `<spelled>` is a word that is
fingerspelled, as a name is; every take of a sentence has another one. A rule may go on in the next
lines, which are indented. `%signs` sets how many signs a sentence has, `%train`, `%dev` and `%test`
how many sentences a split has and how many takes of each, and `%dev_sessions` and `%test_sessions`
which sessions are kept for these splits.
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
        name: Name of the sign or the rule; empty for a group.
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
        digest: Digest of the file's text.
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


def parse_grammar(text: str, name: str = "grammar") -> Grammar:
    """Parses the text of a grammar.

    Args:
        text: As in the docstring of this module.
        name: Name of the grammar in error messages.

    Raises:
        DataError: A line is neither rule nor setting, brackets do not match, there is no rule
            `sentence`, a rule asks for itself, or a rule is never asked for.
    """
    rules: dict[str, Choice] = {}
    settings: dict[str, list[str]] = {}
    for number, line in _lines(text):
        where = f"{name}: line {number}"
        if line.startswith("%"):
            key, *values = line[1:].split() or [""]
            if key in settings:
                raise DataError(f"{where}: %{key} stands there twice")
            settings[key] = values
            _check_setting(key, values, where)
            continue
        rule, equals, right = line.partition("=")
        rule = rule.strip()
        if not equals or not re.fullmatch(r"\w+", rule):
            raise DataError(f"{where}: neither NAME = ALTERNATIVES nor %SETTING: {line!r:.60}")
        if rule in rules:
            raise DataError(f"{where}: the rule {rule!r} stands there twice")
        rules[rule] = _parse_right(right, where)
    if START not in rules:
        raise DataError(f"{name}: has no rule {START!r}")
    signs: set[str] = set()
    asked = {START}
    _walk(START, rules, (), signs, asked, name)
    if unused := sorted(set(rules) - asked):
        raise DataError(f"{name}: no sentence asks for the rule {unused[0]!r}")
    fewest, most = map(int, settings.get("signs", (FEWEST, MOST)))
    sizes = {}
    for split in SPLITS:
        count, versions = map(int, [*settings.get(split, _SIZES[split]), 1][:2])
        sizes[split] = count, versions
    sessions = {split: tuple(settings.get(f"{split}_sessions", ())) for split in SPLITS}
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    texts = tuple(sorted(signs - {FINGERSPELLED_WORD}))
    return Grammar(rules, texts, fewest, most, sizes, sessions, digest, FINGERSPELLED_WORD in signs)


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines without comments, continued ones joined, with the number of their first line."""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].rstrip()
        if line and line[0].isspace() and lines:
            lines[-1] = lines[-1][0], f"{lines[-1][1]} {line.strip()}"
        elif line:
            lines.append((number, line.strip()))
    return lines


def _check_setting(name: str, values: list[str], where: str) -> None:
    if name.endswith("_sessions") and name.removesuffix("_sessions") in SPLITS:
        if not values:
            raise DataError(f"{where}: %{name} names no session")
        return
    if name not in ("signs", *SPLITS):
        known = ", ".join(f"%{known}" for known in ("signs", *SPLITS, "dev_sessions"))
        raise DataError(f"{where}: unknown setting %{name}: known are {known}, %test_sessions")
    numbers = [int(value) for value in values if re.fullmatch(r"\d{1,6}", value)]
    right = len(numbers) == len(values) and 1 <= len(numbers) <= 2 and 0 not in numbers
    form = "the number of sentences and, where it is not 1, of takes of each"
    if name == "signs":
        right = right and len(numbers) == 2 and numbers[0] <= numbers[1] <= _LONGEST
        form = f"two numbers from 1 to {_LONGEST}"
    if not right:
        raise DataError(f"{where}: %{name} has {form}, not {' '.join(values)!r:.40}")


def _parse_right(right: str, where: str) -> Choice:
    tokens, end = [], 0
    right = right.rstrip()
    while match := _TOKEN.match(right, end):
        tokens.append(match.groups())
        end = match.end()
    if end < len(right):
        raise DataError(f"{where}: not understood from {right[end:]!r:.40} on")
    choice, rest = _parse_choice(tokens, 0, "", where)
    if rest < len(tokens):
        raise DataError(f"{where}: a bracket closes that none has opened")
    return choice


def _parse_choice(tokens: list, at: int, closing: str, where: str) -> tuple[Choice, int]:
    """Alternatives from token `at` on up to `closing`, and the index after it."""
    alternatives = [[]]
    while at < len(tokens):
        quoted, mark, word = tokens[at]
        at += 1
        if mark in ("[", "("):
            group, at = _parse_choice(tokens, at, {"[": "]", "(": ")"}[mark], where)
            alternatives[-1].append(Part(group=group, optional=mark == "["))
        elif mark == "|":
            alternatives.append([])
        elif mark:
            if mark != closing:
                raise DataError(f"{where}: {mark!r} closes what it did not open")
            closing = ""
            break
        else:
            name = " ".join((quoted or word).split())
            alternatives[-1].append(Part(name, quoted=bool(quoted)))
    if closing:
        raise DataError(f"{where}: {closing!r} is missing")
    if not all(alternatives):
        raise DataError(f"{where}: an alternative is empty; what may be left out stands in [ ]")
    return tuple(tuple(parts) for parts in alternatives), at


def _walk(rule: str, rules, path: tuple[str, ...], signs: set, asked: set, name: str) -> None:
    """Adds the signs and rules that a rule asks for; refuses one that asks for itself."""
    # path: the rules from `sentence` down to the one that asks for this one
    if rule in path or len(path) > _LONGEST:
        raise DataError(f"{name}: the rule {rule!r} asks for itself")

    def visit(choice):
        for part in (part for alternative in choice for part in alternative):
            if part.group:
                visit(part.group)
            elif part.quoted or part.name not in rules:
                signs.add(part.name)
            else:
                asked.add(part.name)
                _walk(part.name, rules, (*path, rule), signs, asked, name)

    visit(rules[rule])
