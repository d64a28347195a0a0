"""The request of a user to a model, and the clip that answers it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.core.typing import Array
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import spelling
from signllm_jax.text.language_names import abbreviations, code_of

HOTTEST = 10.0
"""Largest temperature that may be asked for."""
EITHER = "give either a text or a prompt"
"""The error of a user who gives both, or neither."""


class Draw(NamedTuple):
    """Which of a text's clips a model that draws makes: the same draw gives the same clip.

    The same draw gives clips of different texts about the same signer.

    Attributes:
        seed: Random seed, 0 or more.
        sample: Index of the clip among those of a seed, from 0.
        temperature: Factor of the noise: 0 = the most probable clip, 1 = clips vary as in train.
    """

    seed: int = 0
    sample: int = 0
    temperature: float = 1.0

    def noise(self, size: int) -> Float[Array, " size"]:
        """Normal noise float32 [size], which depends on nothing but the draw."""
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
        language: Code of the sign language.
        text: Text to sign, for display; the whole prompt if its text is not known.
        model_input: Input of the model: the text, or a prompt if the model has a text stage.
        given_way: Letters and symbols of a visitor's text that were spelled plainly or left out.
        draw: Which of the text's clips to make, for models that draw.
    """

    language: str
    text: str
    model_input: str
    given_way: tuple[str, ...] = ()
    draw: Draw = Draw()


def title(request: Request, clip: PoseClip) -> str:
    """A title for a clip, such as `h-e-l-l-o, fingerspelled in the ASL alphabet`."""
    if spelled := spelling(clip.cues):
        shown = f"{spelled}, fingerspelled in the {abbreviations(request.language)[0]} alphabet"
    else:
        shown = f"{request.text}, in {LANGUAGES[request.language].name}"
    return shown if clip.ended else f"{shown} (did not end by itself)"


class Signed(NamedTuple):
    """A produced clip.

    Attributes:
        clip: The poses.
        gloss: LangGloss of the clip, None if the model has no text stage.
    """

    clip: PoseClip
    gloss: str | None


def only_language(has: Sequence[str]) -> str | None:
    """The language of a run that has no other, else None."""
    return has[0] if len(has) == 1 else None


def choose_language(has: Sequence[str], language: object) -> str:
    """The code of the requested language among those that a run has.

    The name may be a code, an abbreviation or an English name: `ASL`, `dgs`, `gsg`, `American Sign
    Language`, in any case.

    Raises ConfigError if the run has no such language, or has several and none is named.
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
