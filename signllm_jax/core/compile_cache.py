"""Compiled programs on the disk: the second run starts without compiling.

A stored program is the one that was compiled, so results stay the same to the bit. It is machine
code that is run without a check. So it is stored in the user's cache folder, for one kind of
processor, and never beside a work directory, which may have been downloaded. A folder that other
users may write to is not used.
"""

import itertools
import os
import platform
import stat
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

from signllm_jax.core.errors import CheckpointError

CHOSEN = "SIGNLLM_CACHE_DIR"
MAX_BYTES = 2 << 30
"""Size limit of all programs of one kind of processor; the least recently used are evicted."""
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def keep_programs() -> None:
    """Lets jax store compiled programs in the user's cache folder, and load them from there.

    The folder is `$XDG_CACHE_HOME/signllm_jax/compiled` (by default `~/.cache/...`), readable by
    the user only. SIGNLLM_CACHE_DIR=FOLDER names another folder, empty = programs are not stored.
    jax's own settings, such as JAX_COMPILATION_CACHE_DIR, take precedence. If a folder is not safe
    to use, programs are compiled again and a line on stderr says so.
    """
    import jax

    settings: Any = jax.config  # which gets its attributes while jax is imported
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation")
    chosen, processor = os.environ.get(CHOSEN), _processor()
    if chosen == "" or not processor or settings.jax_compilation_cache_dir:
        return
    folder = cache_home() / "signllm_jax" / "compiled" if chosen is None else Path(chosen)
    folder = Path(os.path.abspath(folder.expanduser())) / processor
    try:
        _make_safe(folder)
    except (OSError, CheckpointError) as error:
        name = "the user's cache folder" if chosen is None else CHOSEN
        reason = f"{folder}: {error.strerror}" if isinstance(error, OSError) else error
        print(f"compiled programs are not kept in {name}: {reason}", file=sys.stderr)
        return
    settings.update("jax_compilation_cache_dir", str(folder))
    if settings.jax_compilation_cache_max_size == -1:  # no limit is jax's default
        settings.update("jax_compilation_cache_max_size", MAX_BYTES)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        settings.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def cache_home() -> Path:
    """The user's cache folder: `$XDG_CACHE_HOME`, else `~/.cache`."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path("~/.cache").expanduser()


def _make_safe(folder: Path) -> None:
    """Makes the folder; raises CheckpointError where another user could have put a program.

    It checks the folder, the files in it, and every folder above it up to the home folder, or up to
    the root if it lies elsewhere.
    """
    levels = (folder, *itertools.takewhile(lambda level: level != Path.home(), folder.parents))
    for level in reversed(levels):
        try:
            level.mkdir(mode=0o700)
        except OSError:
            if not os.path.lexists(level):
                raise
        _check_level(level, last=level == folder)
    closed = not folder.stat().st_mode & 0o077
    for entry in folder.iterdir():
        status = entry.lstat()
        safe = closed or not status.st_mode & _OTHERS_MAY_WRITE
        if not (stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and safe):
            raise CheckpointError(f"{entry}: others may have written it")
    for program in folder.glob("*-cache"):  # of a process killed between the two files of a program
        if not program.with_name(program.name.removesuffix("cache") + "atime").exists():
            program.unlink()


def _check_level(level: Path, last: bool) -> None:
    status = level.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise CheckpointError(f"{level}: is no folder")
    if status.st_uid != os.geteuid() and (last or status.st_uid != 0):
        raise CheckpointError(f"{level}: belongs to another user")
    sticky = status.st_mode & stat.S_ISVTX and not last  # as /tmp: nobody can replace others' files
    if status.st_mode & _OTHERS_MAY_WRITE and not sticky:
        raise CheckpointError(f"{level}: others may write to it")


def _processor() -> str | None:
    """A name for processors that run the same machine code; None if the processor is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux: elsewhere jaxlib has crashed where it loaded large programs
        return None
    kind = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU "))}
    return f"{platform.machine()}-{zlib.crc32(''.join(sorted(kind)).encode()):08x}"
