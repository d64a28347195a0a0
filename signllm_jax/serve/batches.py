"""A queue in front of the model: waiting texts of the same language are decoded together."""

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from signllm_jax.core.errors import SignLLMError


class BusyError(SignLLMError):
    """The queue is full; the same request may be made again a little later."""


class Batches:
    """Collects texts and processes those of one language together, the longest waiting first.

    Args:
        work: (texts, language) -> one result per text, or an exception that is raised where the
            text was submitted. It runs in a thread of its own, one call at a time. If it raises,
            its texts are processed one by one, so that a bad text does not affect the others.
        size: Largest number of texts of a call.
        limit: Largest number of texts that wait; further ones are refused.
    """

    def __init__(self, work: Callable[[Sequence, str], Sequence], size: int, limit: int):
        self._work, self._size, self._limit = work, size, limit
        self._waiting: list[tuple[Hashable, str, asyncio.Future]] = []
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
                if future.done():  # the client may have left
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _results(self, texts: list, language: str) -> list:
        """A result or an exception per text; if a call fails, its texts are tried one by one."""
        try:
            results = list(self._work(texts, language))
            if len(results) != len(texts):
                raise RuntimeError(f"{len(results)} results of {len(texts)} texts")
        except Exception as error:  # raised where the text was submitted
            if len(texts) == 1:
                return [error]
            return [self._results([text], language)[0] for text in texts]
        return results

    def _take(self) -> list[tuple[Hashable, str, asyncio.Future]]:
        waiting = [item for item in self._waiting if not item[2].done()]
        batch, self._waiting = [], []
        for item in waiting:
            fits = not batch or (item[1] == batch[0][1] and len(batch) < self._size)
            (batch if fits else self._waiting).append(item)
        return batch
