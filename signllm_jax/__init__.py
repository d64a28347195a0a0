"""SignLLM in JAX and Flax: text in, 3D sign language pose sequences out.

`SignLLM.load(workdir).produce(text, language)` produces a clip. Modules are imported when they are
first used, so that `import signllm_jax` is fast.
"""

from typing import TYPE_CHECKING

from signllm_jax.core.version import __version__

__all__ = ["PoseClip", "SignLLM", "SignLLMError", "__version__"]

if TYPE_CHECKING:
    from signllm_jax.api import SignLLM
    from signllm_jax.core.errors import SignLLMError
    from signllm_jax.poses.clip import PoseClip

_PLACES = {
    "PoseClip": "signllm_jax.poses.clip",
    "SignLLM": "signllm_jax.api",
    "SignLLMError": "signllm_jax.core.errors",
}


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
