"""Makes prompts, questions around a text such as `How do you sign 'hello' in ASL?`, and reads them.

A prompt is made from a template: `{}` stands for the text (the payload), `{language}` for the name
of the sign language. The package has templates in eight spoken languages; Prompt2Sign's
`prompts_<LANGUAGE>.txt` are read if a user has them. The payload is inserted without formatting, so
that braces, quotes and line breaks in it survive.

When a prompt is read, its payload never decides which sign language is meant.
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
        text: Text to be signed, inserted unchanged.
        language: Code of the sign language.
        key: Id of the example, which picks the template (and name or abbreviation).
        spoken: One of `SPOKEN`; by default the spoken language of the sign language's texts, or
            English if that has no templates. A prompt in another spoken language always names the
            sign language.
        templates: Templates to choose from; by default `templates(spoken)`.

    If a text makes the first choice ambiguous, the next template is taken, so that `parse_prompt`
    returns the text.

    Raises TextError when the text is empty.
    """
    if not text.strip():
        raise TextError("the text is empty")
    texts_in = get_language(language).spoken
    spoken = spoken or (texts_in if texts_in in SPOKEN else "en")
    extra = tuple(templates or ())
    if templates is not None and not extra:
        raise ConfigError("there are no templates to make a prompt from")
    chosen = extra or _package_templates(spoken)
    if spoken != texts_in:
        chosen = tuple(line for line in chosen if NAME in line) or chosen
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest)
    name = (names(language, spoken), abbreviations(language))[number >> 63][0]
    first = number % len(chosen)
    lines = chosen[first:] + chosen[:first]
    parts = (line.replace(NAME, name).partition(SLOT) for line in lines)
    prompts = [f"{before}{text}{after}" for before, _, after in parts]
    for prompt in prompts:
        reading = prompt_forms.read(prompt, extra)
        if reading.payload == text and reading.languages <= {language}:
            return prompt
    return prompts[0]


_package_templates = templates  # make_prompt has an argument of this name


def parse_prompt(
    prompt: str,
    language: str | None = None,
    templates: Iterable[str] = (),
    known: tuple[str, ...] = prompt_forms.KNOWN,
) -> tuple[str | None, str]:
    """What a prompt asks for: `(payload, language code)`.

    The payload is found by the templates, by quotation marks (the outermost, if there are
    several), or by the beginning and end that the prompt shares with a template. It is None if none
    of these finds it. The language is the one that the prompt names outside of the payload, in any
    of the spoken languages or by its abbreviation, else the caller's.

    Args:
        prompt: Any text.
        language: The caller's choice, or None.
        templates: Further templates, for example Prompt2Sign's.
        known: Splits of the package's templates to read by, for a measurement on another split.

    Raises:
        TextError: there is nothing to sign; no language is named by anyone; the prompt names
            several, one that is not registered, or another than the caller.
        ConfigError: the caller's language is unknown.
    """
    reading, code = _parse(prompt, language, tuple(templates), known)
    return reading.payload, code


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
    (code,) = reading.languages or {language}
    if code is None:
        raise TextError(f"the prompt does not say which sign language: {prompt[:60]!r}")
    if language not in (None, code):
        raise TextError(f"the prompt asks for {code}, but the language given is {language}")
    return reading, code


def read_request(prompt: str, language: str | None = None) -> tuple[str, str]:
    """The text and the language that a prompt asks for, for a model that reads texts alone.

    A prompt that matches no template is read by the rules for visitors.

    Raises TextError also when the text cannot be found; other errors as in `parse_prompt`.
    """
    payload, code = parse_prompt(prompt, language)
    if payload is None:
        meant = understand(prompt)
        payload = meant.text if meant.asked else None
    if payload is None:
        example = f"How do you sign 'hello' in {get_language(code).name}?"
        raise TextError(
            f"the prompt does not show what to sign: put it in quotation marks: {prompt[:60]!r}; "
            f"as in {example}",
            "question",
        )
    return payload, code


class Question(NamedTuple):
    """Input of a model that reads prompts.

    Attributes:
        prompt: Prompt that the model reads.
        language: Code of the sign language.
        text: Text to be signed; None if no rule finds it.
        certain: Whether the text is certain, because it is within quotation marks.
    """

    prompt: str
    language: str
    text: str | None
    certain: bool


def question(
    prompt: str, language: str | None = None, known: tuple[str, ...] = prompt_forms.KNOWN
) -> Question:
    """The input of a model that reads prompts, for a user's prompt.

    A text within quotation marks is certain, so it is put into a template, as a text without a
    prompt is; the model reads all other prompts unchanged. Arguments and errors as in
    `parse_prompt`.
    """
    reading, code = _parse(prompt, language, (), known)
    if reading.payload is None or not reading.quoted:
        return Question(prompt, code, reading.payload, False)
    return Question(
        make_prompt(reading.payload, code, reading.payload), code, reading.payload, True
    )
