"""The TFDS data set `prompt2sign`."""

from tfds_builders.prompt2sign.prompt2sign import Prompt2Sign, Prompt2SignConfig, chosen_sources

__all__ = ["Prompt2Sign", "Prompt2SignConfig", "chosen_sources"]
