"""A queue in front of the model: what waits for the same language is decoded together."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from signllm_jax.core.errors import SignLLMError


class BusyError(SignLLMError):
    """The queue is full; the same request may be made again a little later."""


class Batches:
    """Collects texts and works on those of one language together, the longest waiting first.

    Args:
        work: (texts, language) -> one result for each text, or an exception that is raised where
            that text was submitted; runs in a thread of its own, one call at a time. Where it
            raises, its texts are worked on one by one, so that a bad one costs itself alone.
        size: most texts of a call.
        limit: most texts that may wait; more are refused.
    """

    def __init__(self, work: Callable[[Sequence, str], Sequence], size: int, limit: int):
        self._work, self._size, self._limit = work, size, limit
        self._waiting: deque[tuple[Hashable, str, asyncio.Future]] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        """How many texts wait."""
        return len(self._waiting)

    async def submit(self, text: Hashable, language: str) -> Any:
        """The result of one text; raises BusyError, or what the work raises."""
        if len(self._waiting) >= self._limit:
            raise BusyError(f"{self._limit} requests are waiting already: try again in a second")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((text, language, future))
        self._wake.set()
        return await future

    @contextlib.asynccontextmanager
    async def running(self):
        """Works while the context is open."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._thread.shutdown(cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not (batch := self._take()):
                self._wake.clear()
                await self._wake.wait()
                continue
            texts, language = [text for text, _, _ in batch], batch[0][1]
            results = await loop.run_in_executor(self._thread, self._results, texts, language)
            for (_, _, future), result in zip(batch, results, strict=True):
                if future.done():  # whoever asked may have gone
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _results(self, texts: list, language: str) -> list:
        """A result or an exception of each text; what fails together is tried one by one."""
        try:
            results = list(self._work(texts, language))
            if len(results) != len(texts):
                raise RuntimeError(f"{len(results)} results of {len(texts)} texts")
        except Exception as error:  # it belongs to those who asked
            if len(texts) == 1:
                return [error]
            return [self._results([text], language)[0] for text in texts]
        return results

    def _take(self) -> list[tuple[Hashable, str, asyncio.Future]]:
        waiting = deque(item for item in self._waiting if not item[2].done())
        batch, rest = [], deque()
        for item in waiting:
            fits = not batch or (item[1] == batch[0][1] and len(batch) < self._size)
            (batch if fits else rest).append(item)
        self._waiting = rest
        return batch
