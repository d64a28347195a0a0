"""What a user asks a model for, and what comes back."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import spelling
from signllm_jax.text.language_names import abbreviations, code_of

HOTTEST = 10.0
"""Largest temperature that may be asked for."""
EITHER = "give either a text or a prompt"
"""What is wrong where a user gives both, or neither."""


class Draw(NamedTuple):
    """Which of a text's clips is meant, of a model that draws: the same draw gives the same clip.

    Draws of different texts that are the same are of about the same signer.

    Attributes:
        seed: 0 or more.
        sample: number of the clip among those of a seed, from 0.
        temperature: what the noise is multiplied by: 0 = the likeliest clip, 1 = as clips vary.
    """

    seed: int = 0
    sample: int = 0
    temperature: float = 1.0

    def noise(self, size: int) -> np.ndarray:
        """Normal noise float32 [size], whatever else is drawn."""
        random = np.random.default_rng((self.seed, self.sample))
        return np.float32(self.temperature) * random.standard_normal(size, np.float32)


def check_draw(seed: int, temperature: float) -> Draw:
    """A user's draw; raises ConfigError on a seed below 0 or a temperature out of range."""
    if not 0 <= seed < 1 << 63:
        raise ConfigError(f"seed: {seed} is not between 0 and 2^63")
    if not 0 <= temperature <= HOTTEST:
        raise ConfigError(f"temperature: {temperature} is not between 0 and {HOTTEST}")
    return Draw(seed, 0, float(temperature))


class Request(NamedTuple):
    """A text or a prompt that has been read and checked.

    Attributes:
        language: code of the sign language.
        text: what is to be signed, to be shown; the whole prompt where its text cannot be told.
        model_input: what the model reads: the text, or a prompt where it has a text stage.
        given_way: letters and symbols of a visitor's text that were spelled plainly or left out.
        draw: which of the text's clips, where the model draws.
    """

    language: str
    text: str
    model_input: str
    given_way: tuple[str, ...] = ()
    draw: Draw = Draw()


def title(request: Request, clip: PoseClip) -> str:
    """What a clip shows, in a line: `h-e-l-l-o, fingerspelled in the ASL alphabet`."""
    if spelled := spelling(clip.cues):
        said = f"{spelled}, fingerspelled in the {abbreviations(request.language)[0]} alphabet"
    else:
        said = f"{request.text}, in {LANGUAGES[request.language].name}"
    return said if clip.ended else f"{said} (did not end by itself)"


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
    """The code of the language that is meant, of those that a run has.

    It may be named as people name it: `ASL`, `dgs`, `gsg`, `American Sign Language`, in any case.

    Raises ConfigError when it has no such language, or when it has several and none is named.
    """
    language = language or only_language(has)
    if language is None:
        raise ConfigError(f"which language? This model has {', '.join(has)}")
    if not isinstance(language, str):
        raise ConfigError(f"a language is named by a text such as 'asl', not {language!r:.60}")
    code = language if language in has else code_of(language)
    if code not in has:
        known = f" ({LANGUAGES[code].name})" if code else ""
        raise ConfigError(
            f"unknown language {language!r:.60}{known}: this model has {', '.join(has)}"
        )
    return code
