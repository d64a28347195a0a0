"""Configs that differ from another one in some settings."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from signllm_jax.core.config import Config


def changed(config: Config, **sections: Mapping[str, Any]) -> Config:
    """The config with other values of some settings.

    Args:
        config: Config to start from, which stays as it is.
        sections: Name of a section -> the new values by name.
    """
    replaced = {
        name: dataclasses.replace(getattr(config, name), **values)
        for name, values in sections.items()
    }
    return dataclasses.replace(config, **replaced)
