"""What a prompt asks for: its LangGloss, by a text stage and what is known of the data set.

In fingerspelling LangGloss is a word of the prompt, letter by letter, so the text stage only has
to say which word. It scores all words of the prompt that can be spelled, and the most probable is
taken: a word is never misspelled, run together or made up. Where there is no word, and in
every other data set, the text stage writes freely. What it then spells, as names are spelled within
a sentence, has to stand in the prompt as well: letters that spell nothing there are replaced by
those of the words that the text stage finds most probable in their place.
"""

import itertools
from collections.abc import Mapping, Sequence

from signllm_jax.artifacts.group import Group
from signllm_jax.core.errors import TextError
from signllm_jax.core.typing import Tree
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.published import is_spelled
from signllm_jax.inference.request import EITHER, Request, choose_language, only_language
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.text.langgloss import FINGERSPELLED, split_marks, to_langgloss
from signllm_jax.text.prompt_forms import KNOWN
from signllm_jax.text.prompts import make_prompt, question


def read_prompt(
    group: Group,
    text: str | None,
    prompt: str | None,
    language: str | None,
    known: tuple[str, ...] = KNOWN,
) -> Request:
    """What a group with a text stage is asked for; nothing is produced.

    A text, and one that a prompt quotes, is put into one of the templates; every other prompt is
    read as it is.

    Args:
        group: whose text stage reads.
        text: what to sign, None where there is a prompt.
        prompt: a question for it, None where there is a text.
        language: code, or None where the prompt names it or the group has only one.
        known: see `parse_prompt`.

    Raises:
        ConfigError: the group has no such language, or which one is meant is not said.
        TextError: the prompt is not understood or too long; a text is to be spelled and cannot be.
    """
    stage = group.needed_text_stage
    has, certain = stage.vocabulary.languages, True
    if prompt is not None:
        asked, named, text, certain = question(prompt, language or only_language(has), known)
        code, shown = choose_language(has, named), prompt if text is None else text
    elif text is not None:
        code, shown = choose_language(has, language), text
        asked = make_prompt(text, code, text)
    else:
        raise TextError(EITHER)
    if certain and is_spelled(group.dataset):
        fingerspelling.spell(shown, code)
    stage.encode(asked, code)
    return Request(code, shown, asked)


def understand(
    translator: Translator,
    dataset: str,
    params: Tree,
    prompts: Sequence[str],
    languages: Sequence[str],
) -> list[list[str]]:
    """The LangGloss of prompts, `<asl:H> <asl:I>` each; an empty line where there is nothing, or a
    word that cannot be spelled.

    The marks are those of the languages asked for, whatever the text stage wrote: what stands in a
    text never decides the language.

    Args:
        translator: of the text stage.
        dataset: that it was trained on.
        params: stacked [M, ...] of M models.
        prompts: what is read.
        languages: code of the sign language that each prompt asks for.

    Raises TextError when a prompt is empty or too long.
    """
    lines: list[list[str]] = [[] for _ in prompts]
    free = list(range(len(prompts)))
    if is_spelled(dataset):
        words = [
            fingerspelling.word_units(prompt, code) if code in fingerspelling.LANGUAGES else {}
            for prompt, code in zip(prompts, languages)
        ]
        lines = translator.choose(params, prompts, languages, [list(own) for own in words])
        free = [i for i in free if not lines[i]]
        lines = [_spelled(*args) for args in zip(lines, words, languages)]
    written = translator(params, [prompts[i] for i in free], [languages[i] for i in free])
    for i, line in zip(free, written):
        lines[i] = line
    glosses = _copied(translator, params, prompts, languages, lines)
    return [to_langgloss(line, code) for line, code in zip(glosses, languages, strict=True)]


def _spelled(line: list[str], words: Mapping[tuple[str, ...], str], language: str) -> list[str]:
    """A line that was chosen among words, empty where its word cannot be spelled."""
    try:
        units = tuple(gloss for _, gloss in split_marks(line))
        return line and to_langgloss(fingerspelling.spell(words[units], language), language)
    except TextError:
        return []


def _copied(
    translator: Translator,
    params: Tree,
    prompts: Sequence[str],
    languages: Sequence[str],
    lines: Sequence[list[str]],
) -> list[list[str]]:
    """The glosses of marked lines, where whatever is spelled stands in the prompt.

    The first spelled letters of all lines are looked at together, then the second, and so on. A
    line stays as it is where its prompt has no word that can be spelled.
    """
    found = [[gloss for _, gloss in split_marks(line)] for line in lines]
    runs = [spelled_runs(line) for line in found]
    words = [
        spellings(prompt, code) if places else []
        for prompt, code, places in zip(prompts, languages, runs, strict=True)
    ]
    for turn in range(max(map(len, runs), default=0)):
        choices: dict[int, list[list[str]]] = {}
        for i, line in enumerate(found):
            for start, end in spelled_runs(line)[turn : turn + 1]:
                if line[start:end] not in words[i]:
                    choices[i] = [line[:start] + word + line[end:] for word in words[i]]
        chosen = translator.choose(
            params,
            [prompts[i] for i in choices],
            [languages[i] for i in choices],
            list(choices.values()),
        )
        for i, line in zip(choices, chosen, strict=True):
            found[i] = [gloss for _, gloss in split_marks(line)] or found[i]
    return found


def spelled_runs(glosses: Sequence[str]) -> list[tuple[int, int]]:
    """Where letters are spelled in a line: the first of each run of them, and the one after."""
    runs, start = [], 0
    for spelled, run in itertools.groupby(glosses, lambda gloss: gloss.startswith(FINGERSPELLED)):
        end = start + len(list(run))
        runs += [(start, end)] if spelled else []
        start = end
    return runs


def spellings(prompt: str, language: str) -> list[list[str]]:
    """The glosses that spell a word of a prompt, or two that stand side by side, as names do.

    Args:
        prompt: What is read.
        language: Code of the sign language.

    Returns:
        `FS:A FS:N FS:N FS:A` and so on; none where no alphabet of the language is recorded.
    """
    if language not in fingerspelling.LANGUAGES:
        return []
    words = [
        [FINGERSPELLED + unit for unit in word]
        for word in fingerspelling.word_units(prompt, language)
    ]
    return words + [first + second for first, second in itertools.pairwise(words)]
