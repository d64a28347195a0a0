"""Refuses outputs that would be written into what is read."""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path

from signllm_jax.core.errors import OutputError
from signllm_jax.core.storage import is_remote


def check_outside(
    outputs: Iterable[str | os.PathLike],
    sources: Iterable[str | os.PathLike],
    replaced: Iterable[str | os.PathLike] = (),
) -> None:
    """Refuses outputs in a source; links and other names of the same folder are seen through.

    Args:
        outputs: files and folders that will be written; they may not exist yet.
        sources: files and folders that are read.
        replaced: folders among the outputs whose old files are deleted.

    Raises:
        OutputError: an output is one of the sources or lies in one, or a source lies in a folder
            that is replaced; it names both.
    """
    sources = list(sources)
    for folder, source in itertools.product(replaced, sources):
        if _is_within(source, folder):
            raise OutputError(
                f"{os.fspath(source)}: is read but lies in {os.fspath(folder)}, whose old "
                "files are deleted: write to another folder"
            )
    for output, source in itertools.product(outputs, sources):
        if _is_within(output, source):
            raise OutputError(
                f"{os.fspath(output)}: lies in {os.fspath(source)}, which is read: "
                "write to another folder"
            )


def _is_within(output: str | os.PathLike, source: str | os.PathLike) -> bool:
    if is_remote(output) or is_remote(source):
        output, source = os.fspath(output).rstrip("/"), os.fspath(source).rstrip("/")
        return f"{output}/".startswith(f"{source}/")
    output, source = Path(output).resolve(), Path(source).resolve()
    if not source.exists():
        return output.is_relative_to(source)
    # by identity, for a folder may have several names (mounts, letter case)
    return any(path.exists() and path.samefile(source) for path in (output, *output.parents))
