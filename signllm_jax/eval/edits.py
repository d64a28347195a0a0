"""Edit distances by rapidfuzz, which jiwer counts with too."""

from types import ModuleType

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.wording import how_to_install


def levenshtein() -> ModuleType:
    """rapidfuzz's Levenshtein distance; raises ConfigError when rapidfuzz is not installed."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError:
        raise ConfigError(f"rapidfuzz is missing: {how_to_install('demo')}") from None
    return Levenshtein
