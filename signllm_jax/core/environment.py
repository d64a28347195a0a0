"""Environment variables of jax that this package resets, and errors about missing devices.

The code names the types of all its numbers, so variables that change the default types are reset. A
platform that jax cannot start is reported in one line.
"""

import os
import sys
import traceback

from signllm_jax.core.errors import ConfigError

_SET_BACK = {
    "JAX_ENABLE_X64": "0",
    "JAX_DEFAULT_DTYPE_BITS": "32",
    "JAX_NUMPY_DTYPE_PROMOTION": "standard",
    "JAX_NUMPY_RANK_PROMOTION": "allow",
}
"""Variable of jax -> the value that the code expects."""
_OFF = ("", "0", "false", "off", "no", "n", "f")


def set_back() -> list[str]:
    """Resets the variables that change types of numbers, for subprocesses too.

    Call it before jax is first used.

    Returns:
        A line for each variable that had another value.
    """
    lines = []
    for name, usual in _SET_BACK.items():
        value = os.environ.get(name)
        if value is None or value == usual or (usual == "0" and value.lower() in _OFF):
            continue
        os.environ[name] = usual
        if "jax" in sys.modules:
            import jax

            jax.config.update(name.lower(), False if usual == "0" else usual)
        lines.append(f"{name}={value} is not used: all is computed as with {name}={usual}")
    return lines


def without_device(error: BaseException) -> ConfigError | None:
    """The error to report if `error` means that jax cannot start its devices; else None."""
    frames = traceback.extract_tb(error.__traceback__)
    starting = bool(frames) and frames[-1].filename.endswith(("xla_bridge.py", "xla_client.py"))
    message = str(error).partition("\n")[0].partition(" (set JAX_PLATFORMS")[0]
    if not message.startswith("Unable to initialize backend") and not (
        starting and isinstance(error, RuntimeError | AssertionError)
    ):
        return None
    reason = message or "no such device was found"
    if platforms := os.environ.get("JAX_PLATFORMS"):
        return ConfigError(
            f"JAX_PLATFORMS={platforms}: jax cannot start it here: {reason:.200}; unset the "
            "variable, or set JAX_PLATFORMS=cpu"
        )
    return ConfigError(
        f"jax cannot start its devices: {reason:.200}; does another process use them? "
        "JAX_PLATFORMS=cpu computes without"
    )
