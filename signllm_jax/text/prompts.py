"""Prompts: questions around a text, such as `How do you sign 'hello' in ASL?`, and back again.

A prompt is made from a template: `{}` stands for the text (the payload), `{language}` for the name
of the sign language. The package has templates of its own in eight spoken languages; Prompt2Sign's
`prompts_<LANGUAGE>.txt` are read where a user has them. The payload is never formatted, only put
between two pieces, so that braces, quotes and line breaks in it survive.

Reading a prompt, what stands in the payload never decides which sign language is meant.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.languages import LANGUAGES, get_language
from signllm_jax.text import prompt_forms
from signllm_jax.text.language_names import abbreviations, known_code, names
from signllm_jax.text.prompt_templates import NAME, SLOT, SPLITS, SPOKEN, read_templates, templates
from signllm_jax.text.visitors import understand

__all__ = [
    "SPLITS",
    "SPOKEN",
    "Question",
    "make_prompt",
    "parse_prompt",
    "question",
    "read_request",
    "read_templates",
    "templates",
]


def make_prompt(
    text: str,
    language: str,
    key: str,
    spoken: str | None = None,
    templates: Sequence[str] | None = None,
) -> str:
    """A prompt for `text`; the same arguments give the same prompt, on every machine.

    Args:
        text: what is to be signed, taken over as it is.
        language: code of the sign language.
        key: the example's id, which picks the template (and name or abbreviation).
        spoken: one of `SPOKEN`; by default the language's own, or English if there is none. A
            prompt in another spoken language always names the sign language.
        templates: to choose from; by default `templates(spoken)`.

    Where the first choice could be read in another way, because of what stands in the text, the
    next is taken: `parse_prompt` gives the text back.

    Raises TextError when the text is empty.
    """
    if not text.strip():
        raise TextError("the text is empty")
    own = get_language(language).spoken
    spoken = spoken or (own if own in SPOKEN else "en")
    if templates is None:
        extra = ()
        chosen = _own(spoken, "train")
    else:
        extra = chosen = tuple(templates)
        if not chosen:
            raise ConfigError("there are no templates to make a prompt from")
    if spoken != own:
        chosen = tuple(line for line in chosen if NAME in line) or chosen
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest)
    called = (names(language, spoken), abbreviations(language))[number >> 63][0]
    made = []
    for turn in range(len(chosen)):
        line = chosen[(number + turn) % len(chosen)].replace(NAME, called)
        before, _, after = line.partition(SLOT)
        made.append(f"{before}{text}{after}")
        reading = prompt_forms.read(made[-1], extra)
        if reading.payload == text and reading.languages <= {language}:
            return made[-1]
    return made[0]


_own = templates  # the name is an argument of make_prompt


def parse_prompt(
    prompt: str,
    language: str | None = None,
    templates: Iterable[str] = (),
    known: tuple[str, ...] = prompt_forms.KNOWN,
) -> tuple[str | None, str]:
    """What a prompt asks for: `(payload, language code)`.

    The payload is found by the templates, by quotation marks (the outermost, if there are
    several) or, if the prompt ends or begins like a template, by that. It is None when none of
    these finds it. The language is the one that the prompt names outside of the payload, in any of
    the spoken languages or by its abbreviation, else the caller's.

    Args:
        prompt: any text.
        language: the caller's choice, or None.
        templates: more templates than the package's, for example Prompt2Sign's.
        known: splits of the package's templates to read by, for a measurement on another split.

    Raises:
        TextError: there is nothing to sign; no language is named by anyone; the prompt names
            several, one that is not registered, or another than the caller.
        ConfigError: the caller's language is unknown.
    """
    reading, found = _parse(prompt, language, tuple(templates), known)
    return reading.payload, found


def _parse(
    prompt: str, language: str | None, templates: tuple[str, ...], known: tuple[str, ...]
) -> tuple[prompt_forms.Reading, str]:
    """See `parse_prompt`."""
    if language is not None:
        language = known_code(language)
    if not prompt.strip():
        raise TextError("the prompt is empty")
    reading = prompt_forms.read(prompt, templates, known)
    if reading.payload is not None and not reading.payload.strip():
        raise TextError(f"the prompt has nothing to sign: {prompt[:60]!r}")
    for name in sorted(reading.languages - set(LANGUAGES)):
        raise TextError(f"the prompt asks for {name}: known are {', '.join(LANGUAGES)}")
    if len(reading.languages) > 1:
        several = ", ".join(sorted(reading.languages))
        raise TextError(f"the prompt names several sign languages: {several}")
    (found,) = reading.languages or {language}
    if found is None:
        raise TextError(f"the prompt does not say which sign language: {prompt[:60]!r}")
    if language not in (None, found):
        raise TextError(f"the prompt asks for {found}, but the language given is {language}")
    return reading, found


def read_request(prompt: str, language: str | None = None) -> tuple[str, str]:
    """The text and the language that a prompt asks for, for a model that reads texts alone.

    What no template shows is read by the rules for visitors.

    Raises TextError also when the text cannot be found; other errors as in `parse_prompt`.
    """
    payload, found = parse_prompt(prompt, language)
    if payload is None:
        meant = understand(prompt)
        payload = meant.text if meant.asked else None
    if payload is None:
        example = f"How do you sign 'hello' in {get_language(found).name}?"
        raise TextError(
            f"the prompt does not show what to sign: put it in quotation marks: {prompt[:60]!r}; "
            f"as in {example}",
            "question",
        )
    return payload, found


class Question(NamedTuple):
    """What a model that reads prompts is asked.

    Attributes:
        prompt: what it reads.
        language: code of the sign language.
        text: what is to be signed, None where no rule finds it.
        certain: whether the text is certain, since it stands within quotation marks.
    """

    prompt: str
    language: str
    text: str | None
    certain: bool


def question(
    prompt: str, language: str | None = None, known: tuple[str, ...] = prompt_forms.KNOWN
) -> Question:
    """What a model that reads prompts is asked for a prompt.

    A text within quotation marks is certain, so it is asked for as one without a prompt is, with a
    template; all other prompts are read as they are. Arguments and errors as in `parse_prompt`.
    """
    reading, found = _parse(prompt, language, (), known)
    if reading.payload is None or not reading.quoted:
        return Question(prompt, found, reading.payload, False)
    asked = make_prompt(reading.payload, found, reading.payload)
    return Question(asked, found, reading.payload, True)
