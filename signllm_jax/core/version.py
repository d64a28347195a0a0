"""The version of the package, and those of the packages that its figures depend on."""

import contextlib
import platform
from importlib.metadata import PackageNotFoundError, version

__version__ = "0.1.0"


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of those `packages` that are installed."""
    installed = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed
