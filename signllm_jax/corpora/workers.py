"""Makes the parts of a corpus in several processes, even if one of them dies.

A process may be killed while it works, by the system for want of memory or by a fault of a library.
The parts that were being made are then made again, each in a process of its own. Where that process
dies too, the clips of the part are made one by one: only the clip whose process dies is lost.
"""

import concurrent.futures
import contextlib
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.clip_jobs import Job
from signllm_jax.corpora.prepare import Lost, Settings, make_example
from signllm_jax.corpora.shards import Part, make_part
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs

_FIRST = concurrent.futures.FIRST_COMPLETED
KILLED = "its process was killed, perhaps for want of memory"


def make_parts(
    parts: Sequence[Part],
    settings: Settings,
    folder: str | os.PathLike,
    workers: int,
    make: Callable = make_example,
) -> Iterator[str]:
    """Makes parts in `workers` processes.

    Args:
        parts: the parts to make.
        settings: the settings of their corpus.
        folder: folder that they are written to.
        workers: number of processes.
        make: makes one clip; a function of a module, since it is sent to other processes.

    Yields:
        The name of each part when it is there, in any order.

    Raises:
        DataError: no process can be started.
    """
    waiting = list(reversed(parts))
    while waiting:
        broken: list[Part] = []
        with _pool(workers) as pool:
            dead = False
            running: dict[concurrent.futures.Future, Part] = {}
            while running or (waiting and not dead):
                # no more than there are processes, so that a death leaves few to make again
                while waiting and len(running) < workers and not dead:
                    try:
                        future = pool.submit(make_part, waiting[-1], settings, folder, make)
                        running[future] = waiting.pop()
                    except BrokenProcessPool:  # a process died while it had nothing to do
                        dead = True
                for future in concurrent.futures.wait(running, return_when=_FIRST).done:
                    part = running.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        broken.append(part)
                        dead = True
        for part in broken:
            yield _alone(part, settings, folder, make)


def _alone(part: Part, settings: Settings, folder: str | os.PathLike, make: Callable) -> str:
    """Makes a part in one process, or its clips one by one where that process dies too."""
    try:
        with _pool(1) as pool:
            return pool.submit(make_part, part, settings, folder, make).result()
    except BrokenProcessPool:
        with _OneByOne(make) as one_by_one:
            return make_part(part, settings, folder, one_by_one)


class _OneByOne(contextlib.ExitStack):
    """Makes clips in a process that is started again when it dies."""

    def __init__(self, make: Callable):
        super().__init__()
        self._make = make
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __call__(self, job: Job, settings: Settings, repairs: Repairs) -> tuple[dict, PoseClip]:
        if self._pool is None:
            self._pool = self.enter_context(_pool(1))
            try:
                self._pool.submit(os.getpid).result()
            except BrokenProcessPool:
                raise DataError("no other process can be started: is there memory left?") from None
        try:
            example, clip, made = self._pool.submit(_made, self._make, job, settings).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = None
            raise Lost(KILLED) from None
        repairs.update(made)
        return example, clip


def _made(make: Callable, job: Job, settings: Settings) -> tuple[dict, PoseClip, Repairs]:
    repairs = Repairs()
    return *make(job, settings, repairs), repairs


def _pool(workers: int) -> concurrent.futures.ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # jax does not survive a fork
    return concurrent.futures.ProcessPoolExecutor(workers, context, _end_with_parent)


def _end_with_parent() -> None:
    """Ends this process when its parent is killed; the pool would wait for work for ever."""

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch():
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
