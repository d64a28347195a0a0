"""Memory that a training step frees is kept for the next step."""

import ctypes
import os
import sys

SETTINGS = (
    "MALLOC_ARENA_MAX",
    "MALLOC_MMAP_MAX_",
    "MALLOC_TRIM_THRESHOLD_",
    "GLIBC_TUNABLES",
)
"""Environment variables by which a user sets the memory allocation of glibc."""
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # of glibc's malloc.h
_NEVER = 2**31 - 1  # bytes of unused heap that are given back


def keep_freed() -> bool:
    """Tells glibc to keep freed memory, and returns whether it does.

    By default glibc maps every large array afresh, so that in each training step the kernel clears
    the pages of all activations again. All threads share one heap, since glibc returns the heaps of
    single threads whatever the settings are. With another C library, or if the environment has
    settings for glibc (`SETTINGS`), nothing is changed. Call it before threads are started.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in SETTINGS):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    wanted = {_M_ARENA_MAX: 1, _M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _NEVER}
    return all([library.mallopt(name, value) for name, value in wanted.items()])
