"""The TFDS data set `prompt2sign`."""

from tfds_builders.prompt2sign.prompt2sign import (
    FINGERSPELLING,
    Prompt2Sign,
    Prompt2SignConfig,
    chosen_sources,
)

__all__ = ["FINGERSPELLING", "Prompt2Sign", "Prompt2SignConfig", "chosen_sources"]
