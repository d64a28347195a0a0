"""Hides what `make install` does not install: what the documentation shows has to work without."""

import dataclasses
import importlib.metadata
import re
import sys
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNNER = {
    "pytest",
    "_pytest",
    "pluggy",
    "iniconfig",
}  # may be there: a test has started the process


def names(*locked: str) -> set[str]:
    """The packages of files of requirements/, as an index spells them."""
    text = "".join((ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in locked)
    return set(re.findall(r"(?m)^([a-z0-9][a-z0-9.-]*)==", text))


@cache
def hidden() -> frozenset[str]:
    """The modules of this environment that `make install` would not have brought."""
    kept = names("demo", "build") | {"signllm-jax", "pip"}
    found = importlib.metadata.packages_distributions()
    return frozenset(
        module
        for module, packages in found.items()
        if not kept & {re.sub(r"[-_.]+", "-", package).lower() for package in packages}
    )


def programs() -> set[str]:
    """The programs that `make install` puts beside its python."""
    kept = names("demo", "build")
    return {
        entry.name
        for each in importlib.metadata.distributions()
        if re.sub(r"[-_.]+", "-", each.name).lower() in kept
        for entry in each.entry_points
        if entry.group == "console_scripts"
    }


@dataclasses.dataclass(frozen=True)
class OnlyInstalled:
    """A hook of commands.py, and of sitecustomize.py: the other modules cannot be imported.

    Attributes:
        modules: the names of those that cannot.
    """

    modules: frozenset[str]

    def arm(self):
        for name in [*sys.modules]:  # of the tests' runner, and what libraries use if it is there
            if name.partition(".")[0] in self.modules:
                del sys.modules[name]

        class Finder(PathFinder):
            @classmethod
            def find_spec(cls, fullname, path=None, target=None, hidden=self.modules):
                if fullname.partition(".")[0] in hidden:
                    return None
                return super().find_spec(fullname, path, target)

        sys.meta_path[:] = [Finder if each is PathFinder else each for each in sys.meta_path]
