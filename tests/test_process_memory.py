"""Memory that is freed stays with the process while training, unless the user says otherwise."""

import ctypes
import os
import subprocess
import sys

import pytest

from signllm_jax.core.memory import SETTINGS

PROBE = """
import ctypes, resource, threading
from signllm_jax.core.memory import keep_freed
print(keep_freed())
libc, size = ctypes.CDLL(None), 64 << 20
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    array = libc.malloc(size)
    ctypes.memset(array, 1, size)
    libc.free(array)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
counted = []
for _ in range(2):
    thread = threading.Thread(target=lambda: counted.append(faults()))
    thread.start()
    thread.join()
print(counted[-1])
"""


def probed(**settings):
    """What `keep_freed` says, and the page faults of 64 MiB that a second thread asks for."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    args = [sys.executable, "-c", PROBE]
    out = subprocess.run(args, env=kept | settings, check=True, capture_output=True, text=True)
    said, faults = out.stdout.split()
    return said == "True", int(faults)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="needs the GNU C library"
)
def test_an_array_that_another_thread_makes_again_takes_no_new_pages():
    kept, faults = probed()
    assert kept and faults < 64


def test_settings_of_the_environment_are_left_alone():
    kept, faults = probed(MALLOC_MMAP_MAX_="65536")
    assert not kept and faults > 64
