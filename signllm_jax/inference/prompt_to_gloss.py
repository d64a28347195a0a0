"""From a prompt to its LangGloss, by a text stage and the rules of the data set.

In fingerspelling LangGloss is a word of the prompt, letter by letter, so the text stage only has
to choose the word. It scores all words of the prompt that can be spelled, and the most probable is
taken: a word is never misspelled, run together or made up. If the prompt has no such word, and in
every other data set, the text stage writes freely. Words that it then spells, such as names in a
sentence, must occur in the prompt as well: letters that spell no word of the prompt are replaced by
the word that the text stage finds most probable in that position.
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
    """The request of a user to a group with a text stage; nothing is produced.

    A text, also one that a prompt quotes, is put into one of the templates; every other prompt is
    read as it is.

    Args:
        group: Group whose text stage reads.
        text: Text to sign, None if there is a prompt.
        prompt: Question for a text, None if there is a text.
        language: Language code, or None if the prompt names it or the group has only one language.
        known: See `parse_prompt`.

    Raises:
        ConfigError: The group has no such language, or the language is not named.
        TextError: The prompt is not understood or too long, or the text cannot be spelled.
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
    """The LangGloss of each prompt, such as `<asl:H> <asl:I>`; empty if there is nothing to sign or
    the word cannot be spelled.

    The marks are those of the requested languages, whatever the text stage wrote: a text never
    decides the language.

    Args:
        translator: Translator of the text stage.
        dataset: Name of the data set that the text stage was trained on.
        params: Stacked parameters [M, ...] of M models.
        prompts: Prompts to read.
        languages: Code of the sign language that each prompt asks for.

    Raises TextError when a prompt is empty or too long.
    """
    lines: list[list[str]] = [[] for _ in prompts]
    free = list(range(len(prompts)))
    if is_spelled(dataset):
        words = list(map(_word_units, prompts, languages))
        lines = translator.choose(params, prompts, languages, list(map(list, words)))
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
    """The glosses of marked lines, with spelled words replaced by words of the prompt.

    The first spelled word of all lines is checked in one batch, then the second, and so on. A line
    stays as it is if its prompt has no word that can be spelled.
    """
    glosses = [[gloss for _, gloss in split_marks(line)] for line in lines]
    runs = [spelled_runs(line) for line in glosses]
    words = [
        spellings(prompt, code) if spelled else []
        for prompt, code, spelled in zip(prompts, languages, runs, strict=True)
    ]
    for turn in range(max(map(len, runs), default=0)):
        choices: dict[int, list[list[str]]] = {}
        for i, line in enumerate(glosses):
            for start, end in spelled_runs(line)[turn : turn + 1]:
                if line[start:end] not in words[i]:
                    choices[i] = [line[:start] + word + line[end:] for word in words[i]]
        asked = [prompts[i] for i in choices], [languages[i] for i in choices]
        chosen = translator.choose(params, *asked, list(choices.values()))
        for i, line in zip(choices, chosen, strict=True):
            glosses[i] = [gloss for _, gloss in split_marks(line)] or glosses[i]
    return glosses


def spelled_runs(glosses: Sequence[str]) -> list[tuple[int, int]]:
    """The runs of spelled letters in a line, as pairs of first index and end index."""
    runs, start = [], 0
    for spelled, run in itertools.groupby(glosses, lambda gloss: gloss.startswith(FINGERSPELLED)):
        end = start + len(list(run))
        runs += [(start, end)] if spelled else []
        start = end
    return runs


def spellings(prompt: str, language: str) -> list[list[str]]:
    """The glosses that spell a word of a prompt, or two adjacent words, as in names.

    Args:
        prompt: Prompt to take words from.
        language: Code of the sign language.

    Returns:
        `FS:A FS:N FS:N FS:A` and so on; empty if no alphabet of the language is recorded.
    """
    units = _word_units(prompt, language)
    words = [[FINGERSPELLED + unit for unit in word] for word in units]
    return words + [first + second for first, second in itertools.pairwise(words)]


def _word_units(prompt: str, language: str) -> Mapping[tuple[str, ...], str]:
    """Units -> word of a prompt; empty if no alphabet of the language is recorded."""
    recorded = language in fingerspelling.LANGUAGES
    return fingerspelling.word_units(prompt, language) if recorded else {}
