"""The settings that a corpus is prepared with, and the formats that its poses may be in."""

import dataclasses

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.skeleton import OPENPOSE50, get_layout
from signllm_jax.corpora.anonymize import check_anonymizer
from signllm_jax.text.language_names import known_code

FORMATS = ("openpose", "dwpose", "pose", "mediapipe", "skels")
WITHOUT_FPS = ("openpose", "mediapipe", "skels")
"""Formats that store no frames per second; of `dwpose` some files do."""
WITHOUT_FACE = ("openpose", "mediapipe")
"""Formats of which the face is not read."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a source is prepared.

    Attributes:
        language: code of the sign language.
        source: name of the corpus, part of the prepared data set's name.
        format: one of `FORMATS`.
        fps: frames per second, instead of those that a file stores; 0 = those of the file.
        lift: `best` or `reference`.
        layout: `openpose50` (3D), or `dwpose128` (2D with the face, from DWPose only).
        templates: templates of prompts; empty for our own.
        picture: width and height in pixels, for coordinates that are shares of the picture.
        anonymize: put an average signer's body in the place of the signer's own.
    """

    language: str
    source: str
    format: str
    fps: float = 0.0
    lift: str = "best"
    layout: str = "openpose50"
    templates: tuple[str, ...] = ()
    picture: tuple[int, int] | None = None
    anonymize: bool = False

    def __post_init__(self):
        object.__setattr__(self, "language", known_code(self.language))
        get_layout(self.layout)
        if self.format not in FORMATS:
            raise ConfigError(f"unknown format {self.format!r}: known are {', '.join(FORMATS)}")
        if self.anonymize:
            check_anonymizer()
            if self.lift == "reference" or self.layout != OPENPOSE50.name:
                raise ConfigError("--anonymize works with --lift=best and the layout openpose50")
        if not self.source.replace("-", "").isalnum():
            raise ConfigError(f"a source is named by letters, digits and -, not {self.source!r}")
        if self.format in WITHOUT_FPS and not self.fps:
            raise ConfigError(
                f"{self.format} does not store frames per second: give --fps, "
                "or the --format of the files where it is another"
            )
        if not 0 <= self.fps < 1000:
            raise ConfigError(f"--fps is above 0 and below 1000, not {self.fps:g}")
        if self.format == "mediapipe" and self.picture is None:
            raise ConfigError("mediapipe does not store the picture's size: give --picture")
        if self.format == "skels" and self.picture is not None:
            raise ConfigError("--picture says nothing about skels, which have no picture")
        if self.layout != OPENPOSE50.name and self.format in WITHOUT_FACE:
            raise ConfigError(f"{self.format} is not read as {self.layout}")
        if self.layout != OPENPOSE50.name and self.lift != "best":
            raise ConfigError(f"--lift has no meaning for {self.layout}, which stays flat")
