"""Requests and answers, as the OpenAPI description shows them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TEXT = 1000
"""Largest number of characters of a text or prompt; the limit of the model may be lower."""

PROBLEMS = {
    400: ("request", "the request is broken: no JSON, unknown or missing fields, wrong types"),
    403: ("site", "the page of another site has asked"),
    404: ("path", ""),
    405: ("method", ""),
    408: ("late", "the body did not arrive in time"),
    413: ("size", "the body is too large"),
    421: ("host", "the server is called by a name that is not its own"),
    422: (
        "text",
        "the text is too long, cannot be signed, or the language is not one of this model's",
    ),
    429: ("busy", "too many requests wait already; Retry-After says when to come back"),
    500: ("fault", "a fault of the server"),
    503: ("unavailable", "the server is ending, and the request was not done in its grace"),
    504: ("slow", "the file was not made in time"),
}
"""Status -> kind of the problem, where a text's own kind does not say more, and its description;
'' = the API does not describe this status."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Code = Annotated[str, Field(max_length=64)]
Form = Literal["int16", "floats"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Ask(BaseModel):
    """A text, or a prompt that asks for one."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"text": "hello", "language": "asl"}]},
    )
    text: Text | None = Field(None, description="what to sign")
    prompt: Text | None = Field(
        None, description="instead of a text a question, such as: How do you sign 'hello' in ASL?"
    )
    typed: Text | None = Field(
        None, description="instead of both what a visitor typed: a text, or a question for one"
    )
    language: Code | None = Field(
        None, description="code or name; may be left out where the question names it"
    )
    positions: Form = Field(
        "int16", description="form of the clip's numbers: packed in base64, or JSON's own floats"
    )
    seed: Seed = Field(0, description="which clip of the text, of a language that `draws`")

    @model_validator(mode="after")
    def _either(self):
        if sum(given is not None for given in (self.text, self.prompt, self.typed)) != 1:
            raise ValueError("give one of text, prompt and typed")
        return self


class Cue(BaseModel):
    """A letter or gloss of a clip, with its times in seconds."""

    start: float
    end: float
    label: str
    word: int = Field(description="which word of the text it belongs to, from 0")
    spelled: bool = Field(description="whether it is a letter of a manual alphabet")


Corner = tuple[float, float, float]


class Space(BaseModel):
    """Two corners of a box, in shoulder widths."""

    low: Corner
    high: Corner


class _AnyClip(BaseModel):
    layout: str
    fps: float
    space: Space = Field(description="the box that hands, elbows and head take: what to show")
    joints: list[str]
    bones: list[tuple[int, int]]
    groups: dict[str, list[int]]
    cues: list[Cue] = Field(description="what is signed when; letters share out their word's time")
    ended: bool = Field(
        description="false: cut off at the longest length, as of too little training"
    )


class Clip(_AnyClip):
    """A pose sequence: x right, y down, z away from the viewer, in shoulder widths."""

    positions: list[list[tuple[float, float, float]]] = Field(description="[frame][joint][x, y, z]")
    confidence: list[list[float]] = Field(description="[frame][joint], 0 = not shown")


class PackedClip(_AnyClip):
    """A Clip whose numbers are packed: arrays of little-endian integers in base64."""

    frames: int = Field(description="T")
    scale: float = Field(description="shoulder widths of 1 in `positions`")
    positions: str = Field(description="int16 [T, joints, 3], to be multiplied by `scale`")
    confidence: str = Field(description="uint8 [T, joints], 255ths, 0 = not shown")


class Produced(BaseModel):
    """An answer."""

    text: str
    language: str
    seconds: float
    title: str = Field(description="what the clip shows, in English")
    given_way: list[str] = Field(
        description="letters and symbols of what was typed that are spelled plainly or left out"
    )
    gloss: str | None = Field(None, description="LangGloss, where the model has one")
    clip: PackedClip | Clip = Field(description="as `positions` of the request asks for it")


class Language(BaseModel):
    """A sign language that can be produced."""

    code: str
    name: str
    short: str = Field(description="usual abbreviation")
    iso: str = Field(description="ISO 639-3")
    spoken: str = Field(description="BCP 47 code of the language of its texts")
    dataset: str = Field(description="what it was trained on")
    max_tokens: int = Field(description="longest text that the model reads, in tokens")
    max_seconds: float = Field(description="longest clip")
    draws: bool = Field(description="whether a text has several clips, of which `seed` is one")


class Languages(BaseModel):
    """What can be asked for."""

    languages: list[Language]
    formats: list[str]
    max_text: int = Field(description="characters")


class Problem(BaseModel):
    """Why a request was not answered."""

    error: str
    kind: str = Field(
        description="of a text: empty, long, short, letters, digits, language, question, or text "
        f"for all else; otherwise by the status: {', '.join(kind for kind, _ in PROBLEMS.values())}"
    )


def problem(status: int, error: str, kind: str = "") -> dict[str, str]:
    """The body of an error; without a `kind` it has the kind of the status."""
    return {"error": error, "kind": kind or PROBLEMS.get(status, PROBLEMS[400])[0]}
