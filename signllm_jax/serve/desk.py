"""Passes requests to the model and the renderers, and keeps the latest answers."""

import asyncio
import contextlib
import dataclasses
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic_core import to_json

from signllm_jax.api import SignLLM
from signllm_jax.core.errors import OutputError, SignLLMError
from signllm_jax.core.languages import get_language
from signllm_jax.inference.pipelines import BATCH
from signllm_jax.inference.request import Request, Signed, title
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.page import clip_dict, packed_dict
from signllm_jax.render.save import SUFFIXES
from signllm_jax.render.video import end_encoders
from signllm_jax.serve import schema
from signllm_jax.serve.batches import Batches, BusyError
from signllm_jax.text.language_names import abbreviations

QUEUE = 64
"""Largest number of texts that wait for the model."""
RENDERINGS = 8
"""Largest number of requested films, and of other files."""
_FILMS = ("mp4", "webm", "gif")  # may take long or hang; the other files do not wait for them
_FILMERS = 2  # number of films made at a time
RENDER_SECONDS = 20
"""Time limit for a film; the other files take less."""
_KEPT = 64  # number of answers kept, so that a download does not produce its clip again
Format = StrEnum("Format", {suffix[1:]: suffix[1:] for suffix in SUFFIXES})


class Answer(NamedTuple):
    """A produced clip, and its JSON bodies so far, by form and compression."""

    signed: Signed
    bodies: dict[tuple[schema.Form, bool], bytes]


@dataclasses.dataclass
class _Making:
    """A clip that is being produced, and the number of requests that wait for it."""

    task: asyncio.Future
    asking: int = 0


@dataclasses.dataclass
class _Renderer:
    """Threads that make files, and the number of files that are requested."""

    threads: ThreadPoolExecutor
    asked: int = 0


class Desk:
    """Passes requests to the model and to the renderers, and keeps the latest answers."""

    def __init__(self, model: SignLLM, queue: int, renderings: int):
        self._model, self._renderings = model, renderings
        self._queue, self._open = queue, False
        self._making: dict[Request, _Making] = {}
        self._batches = Batches(self._produce, BATCH, queue)
        self._films = _Renderer(ThreadPoolExecutor(_FILMERS, thread_name_prefix="film"))
        self._files = _Renderer(ThreadPoolExecutor(1, thread_name_prefix="file"))
        # the model does not wait for JSON, nor JSON for a film
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._kept: OrderedDict[Request, Answer] = OrderedDict()

    @contextlib.asynccontextmanager
    async def running(self):
        """Takes requests while the context is open."""
        async with self._batches.running():
            self._open = True
            yield
            self._open = False
        pools = (self._films.threads, self._files.threads, self._encoder)
        for threads in pools:
            threads.shutdown(wait=False, cancel_futures=True)
        end_encoders()  # encoders that still run hang: their clients have waited the whole grace
        for threads in pools:
            threads.shutdown()

    @property
    def ready(self) -> bool:
        """Whether a request would be accepted now."""
        return self._open and self.waiting < self._queue

    @property
    def waiting(self) -> int:
        """Number of texts that wait for the model."""
        return self._batches.waiting

    @property
    def rendering(self) -> int:
        """Number of files that are requested."""
        return self._films.asked + self._files.asked

    def languages(self) -> schema.Languages:
        """The languages and formats that can be requested."""
        described = []
        for code in self._model.languages:
            entry, group = get_language(code), self._model.describe(code)
            described.append(
                schema.Language(
                    code=code,
                    name=entry.name,
                    short=abbreviations(code)[0],
                    iso=entry.iso,
                    spoken=entry.spoken,
                    dataset=group.dataset,
                    max_tokens=(group.trained_tokens or (0, group.row_tokens))[1],
                    max_seconds=group.max_frames / group.needed_statistics.fps,
                    draws=self._model.draws(code),
                )
            )
        return schema.Languages(languages=described, formats=[*Format], max_text=schema.MAX_TEXT)

    async def answer(self, request: Request) -> Answer:
        """Produces an answer, or returns a kept one; raises BusyError, or TextError."""
        answer = self._kept.pop(request, None) or await self._made(request)
        self._kept[request] = answer  # the latest is the last
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return answer

    async def _made(self, request: Request) -> Answer:
        """Produces once for all who ask at the same time, and stops when all have left."""
        if request not in self._making:
            submitted = self._batches.submit(request, request.language)
            self._making[request] = _Making(asyncio.ensure_future(submitted))
        making = self._making[request]
        making.asking += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.asking -= 1
            if making.task.done() or not making.asking:
                making.task.cancel()
                if self._making.get(request) is making:
                    del self._making[request]

    async def body(self, request: Request, form: schema.Form, zipped: bool) -> bytes:
        """The JSON of an answer; raises as `answer` does."""
        answer = await self.answer(request)
        if (form, zipped) not in answer.bodies:
            loop = asyncio.get_running_loop()
            args = answer.signed, request, form, zipped
            answer.bodies[form, zipped] = await loop.run_in_executor(self._encoder, _body, *args)
        return answer.bodies[form, zipped]

    async def render(self, clip: PoseClip, text: str, form: str) -> bytes:
        """The file's bytes; raises BusyError, and OutputError if a library is missing."""
        renderer = self._films if form in _FILMS else self._files
        if renderer.asked >= self._renderings:
            raise BusyError(f"{self._renderings} files are being made: try again in some seconds")
        renderer.asked += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(renderer.threads, _render, clip, text, form)
        finally:
            renderer.asked -= 1

    def _produce(self, requests: Sequence[Request], _: str) -> list[Answer | SignLLMError]:
        results = self._model.sign(requests)
        return [r if isinstance(r, SignLLMError) else Answer(r, {}) for r in results]


def _body(signed: Signed, request: Request, form: schema.Form, zipped: bool) -> bytes:
    seconds = round(len(signed.clip) / signed.clip.fps, 3)
    answer = {"text": request.text, "language": request.language, "seconds": seconds}
    answer |= {"title": title(request, signed.clip), "given_way": request.given_way}
    if signed.gloss is not None:
        answer["gloss"] = signed.gloss
    answer["clip"] = packed_dict(signed.clip) if form == "int16" else clip_dict(signed.clip)
    body = to_json(answer)  # a sixth of the time of json.dumps
    return _gzipped(body, packed=form == "int16") if zipped else body


def _gzipped(body: bytes, packed: bool) -> bytes:
    """Compresses a body; of packed numbers only runs, as little else repeats."""
    strategy = zlib.Z_RLE if packed else zlib.Z_DEFAULT_STRATEGY
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, strategy)
    return packer.compress(body) + packer.flush()


def _render(clip: PoseClip, text: str, form: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="signllm_jax-") as folder:
        try:
            return clip.save(Path(folder) / f"clip.{form}", text).read_bytes()
        except OutputError as error:  # clients need not know the folder
            raise type(error)(str(error).replace(f"{folder}/", "")) from error
