"""What a user asks a model for, and what comes back."""

from collections.abc import Sequence
from typing import NamedTuple

from signllm_jax.core.errors import ConfigError
from signllm_jax.poses.clip import PoseClip


class Request(NamedTuple):
    """A text or a prompt that has been read and checked.

    Attributes:
        language: code of the sign language.
        text: what is to be signed, to be shown; the whole prompt where its text cannot be told.
        model_input: what the model reads: the text, or a prompt where it has a text stage.
    """

    language: str
    text: str
    model_input: str


class Signed(NamedTuple):
    """A produced clip.

    Attributes:
        clip: the poses.
        gloss: the LangGloss that it signs, None where the model has no text stage.
    """

    clip: PoseClip
    gloss: str | None


def only_language(has: Sequence[str]) -> str | None:
    """The language of a run that has no other, else None."""
    return has[0] if len(has) == 1 else None


def choose_language(has: Sequence[str], language: str | None) -> str:
    """The language that is meant, of those that a run has.

    Raises ConfigError when it has no such language, or when it has several and none is named.
    """
    language = language or only_language(has)
    if language is None:
        raise ConfigError(f"which language? This run has {', '.join(has)}")
    if language not in has:
        raise ConfigError(f"unknown language {language!r}: this run has {', '.join(has)}")
    return language
