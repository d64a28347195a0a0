"""The version of the package, and those of the packages that its figures depend on."""

import platform
from importlib.metadata import PackageNotFoundError, version

__version__ = "0.1.0"


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of those `packages` that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
