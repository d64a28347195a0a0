"""What stands between requests and the model: the queue, the renderers, the latest answers."""

import asyncio
import contextlib
import dataclasses
import json
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from signllm_jax.api import BATCH, Signed, SignLLM
from signllm_jax.core.errors import OutputError, SignLLMError
from signllm_jax.core.languages import get_language
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.page import clip_dict
from signllm_jax.render.save import SUFFIXES
from signllm_jax.serve import schema
from signllm_jax.serve.batches import Batches, BusyError

QUEUE = 64
"""Texts that may wait for the model."""
RENDERINGS = 8
"""Files that may be asked for at once."""
_RENDERERS = 2  # of them are made at a time, so that one that hangs does not stop the others
RENDER_SECONDS = 20
"""In which a video has to be made."""
_KEPT = 64  # answers kept, so that a download does not produce its clip again
Format = StrEnum("Format", {suffix[1:]: suffix[1:] for suffix in SUFFIXES})


class Ask(NamedTuple):
    """A checked request: what the model reads, and the text that is shown for it."""

    asked: str
    text: str


class Answer(NamedTuple):
    """A produced clip and its JSON."""

    clip: PoseClip
    body: bytes


@dataclasses.dataclass
class _Making:
    """A clip that is being produced, and how many ask for it."""

    task: asyncio.Future
    asking: int = 0


class Desk:
    """Takes requests to the model and to the renderer, and keeps the latest answers."""

    def __init__(self, model: SignLLM, queue: int, renderings: int):
        self._model, self._renderings, self.rendering = model, renderings, 0
        self._queue, self._open = queue, False
        self._making: dict[tuple[Ask, str], _Making] = {}
        self._batches = Batches(self._produce, BATCH, queue)
        self._renderer = ThreadPoolExecutor(_RENDERERS, thread_name_prefix="render")
        self._kept: OrderedDict[tuple[Ask, str], Answer] = OrderedDict()

    @contextlib.asynccontextmanager
    async def running(self):
        """Takes requests while the context is open."""
        async with self._batches.running():
            self._open = True
            yield
            self._open = False
        self._renderer.shutdown(cancel_futures=True)

    @property
    def ready(self) -> bool:
        """Whether a request would be taken now."""
        return self._open and self.waiting < self._queue

    @property
    def waiting(self) -> int:
        """How many texts wait for the model."""
        return self._batches.waiting

    def languages(self) -> schema.Languages:
        """What can be asked for."""
        described = []
        for code in self._model.languages:
            entry, group = get_language(code), self._model.describe(code)
            described.append(
                schema.Language(
                    code=code,
                    name=entry.name,
                    iso=entry.iso,
                    spoken=entry.spoken,
                    dataset=group.dataset,
                    max_tokens=group.row_tokens,
                    max_seconds=group.max_frames / group.statistics.fps,
                )
            )
        return schema.Languages(languages=described, formats=[*Format], max_text=schema.MAX_TEXT)

    def read(self, text: str | None, language: str | None, prompt: str | None) -> tuple[Ask, str]:
        """A request and its language, checked; errors are those of `SignLLM.produce`."""
        shown, code = self._model.resolve(text, language, prompt)
        return Ask(self._model.asked(text, language, prompt)[0], shown), code

    async def answer(self, ask: Ask, language: str) -> Answer:
        """Produces, or takes from what is kept; raises BusyError, or TextError: not understood."""
        if (key := (ask, language)) not in self._kept:
            self._kept[key] = await self._made(key)
        self._kept.move_to_end(key)
        answer = self._kept[key]
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return answer

    async def _made(self, key: tuple[Ask, str]) -> Answer:
        """Produces once for all who ask at the same time, and for nobody when all have left."""
        if key not in self._making:
            self._making[key] = _Making(asyncio.ensure_future(self._batches.submit(*key)))
        making = self._making[key]
        making.asking += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.asking -= 1
            if making.task.done() or not making.asking:
                making.task.cancel()
                if self._making.get(key) is making:
                    del self._making[key]

    async def render(self, clip: PoseClip, text: str, form: str) -> bytes:
        """The file's bytes; raises BusyError, and OutputError where a library is missing."""
        if self.rendering >= self._renderings:
            raise BusyError(f"{self._renderings} files are being made: try again in some seconds")
        self.rendering += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._renderer, _render, clip, text, form)
        finally:
            self.rendering -= 1

    def _produce(self, asks: Sequence[Ask], language: str) -> list[Answer | SignLLMError]:
        made = self._model.sign([ask.asked for ask in asks], language)
        return [
            one
            if isinstance(one, SignLLMError)
            else Answer(one.clip, _body(one, ask.text, language))
            for ask, one in zip(asks, made, strict=True)
        ]


def _body(signed: Signed, text: str, language: str) -> bytes:
    seconds = round(len(signed.clip) / signed.clip.fps, 3)
    answer = {"text": text, "language": language, "seconds": seconds}
    if signed.gloss is not None:
        answer["gloss"] = signed.gloss
    answer["clip"] = clip_dict(signed.clip)
    return json.dumps(answer, separators=(",", ":")).encode()


def _render(clip: PoseClip, text: str, form: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="signllm_jax-") as folder:
        try:
            return clip.save(Path(folder) / f"clip.{form}", text).read_bytes()
        except OutputError as error:  # a client need not know where
            raise type(error)(str(error).replace(f"{folder}/", "")) from error
