"""Compiled programs, kept on the disk: the second run starts without compiling.

A program that is kept is the one that was compiled, so results stay the same to the bit. It is
machine code: one folder serves one kind of processor, and one that others may write is not used.
"""

import os
import platform
import stat
import warnings
import zlib
from pathlib import Path

HOME = Path("~/.cache/signllm_jax/programs")
BESIDE = ".compiled"  # beside a work directory


def keep_programs(folder: str | os.PathLike) -> None:
    """Lets jax keep what it compiles in `folder`, which is made when needed, and find it there.

    SIGNLLM_CACHE_DIR=FOLDER names another folder, empty = not kept; jax's own settings, such as
    JAX_COMPILATION_CACHE_DIR, come before both. Whatever is wrong with the folder costs a
    compilation and nothing else.
    """
    import jax

    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation")
    folder, processor = os.environ.get("SIGNLLM_CACHE_DIR", os.fspath(folder)), _processor()
    if not folder or not processor or jax.config.jax_compilation_cache_dir:
        return
    folder = Path(folder).expanduser().absolute()
    if not _is_own(folder):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder / processor))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _is_own(folder: Path) -> bool:
    """Whether nobody else could have put a program into the folder, which jax makes if needed."""
    try:
        found = folder.lstat()
    except OSError:
        return True
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not found.st_mode & stat.S_IWOTH
    )


def _processor() -> str | None:
    """A name for processors that run the same machine code; None where there is no telling."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux: elsewhere jaxlib has crashed where it loaded large programs
        return None
    told = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU "))}
    return f"{platform.machine()}-{zlib.crc32(''.join(sorted(told)).encode()):08x}"
