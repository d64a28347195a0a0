"""The ASGI app: POST /produce, GET /clip, GET /languages, the page, and what describes the API."""

import asyncio
import contextlib
import json
import re
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import signllm_jax
from signllm_jax.api import SignLLM
from signllm_jax.core.errors import ConfigError, OutputError, SignLLMError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.inference.pipelines import BATCH
from signllm_jax.inference.request import Request as ModelRequest
from signllm_jax.inference.request import Signed
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.page import STATIC as PLAYER
from signllm_jax.render.page import clip_dict
from signllm_jax.render.save import SUFFIXES
from signllm_jax.serve import schema
from signllm_jax.serve.batches import Batches, BusyError
from signllm_jax.serve.limits import Limits

STATIC = Path(__file__).parent / "static"
QUEUE = 64
"""Texts that may wait for the model."""
RENDERINGS = 8
"""Files that may be asked for at once; they are made one after the other."""
_KEPT = 64  # answers kept, so that a download does not produce its clip again
Format = StrEnum("Format", {suffix[1:]: suffix[1:] for suffix in SUFFIXES})
_PROBLEMS = {
    status: {"model": schema.Problem, "description": why}
    for status, why in {
        400: "the request is broken: no JSON, unknown or missing fields, wrong types",
        408: "the body did not arrive in time",
        413: "the body is too large",
        422: "the text is too long, cannot be signed, or the language is not one of this model's",
        429: "too many requests wait already; Retry-After says when to come back",
    }.items()
}


class Answer(NamedTuple):
    """A produced clip and its JSON."""

    clip: PoseClip
    body: bytes


def make_app(model: SignLLM, queue: int = QUEUE, renderings: int = RENDERINGS) -> FastAPI:
    """The app around a loaded model.

    Args:
        model: answers one batch at a time.
        queue: texts that may wait for it; more are answered 429.
        renderings: files that may be asked for at once; more are answered 429.
    """
    desk = _Desk(model, queue, renderings)

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with desk.running():
            yield

    app = FastAPI(
        title="signllm_jax",
        version=signllm_jax.__version__,
        summary="Text in, 3D sign language pose sequences out.",
        docs_url=None,  # loads its scripts from elsewhere; /docs is ours
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.add_middleware(Limits)
    for kind, status in ((TextError, 422), (ConfigError, 422), (OutputError, 422)):
        app.add_exception_handler(kind, _explain(status))
    app.add_exception_handler(BusyError, _explain(429))
    app.add_exception_handler(RequestValidationError, _explain_request)
    app.add_exception_handler(HTTPException, _explain_status)

    @app.get("/languages")
    async def languages() -> schema.Languages:
        """What can be asked for."""
        return desk.languages()

    @app.post("/produce", response_model=schema.Produced, responses=_PROBLEMS)
    async def produce(ask: schema.Ask) -> Response:
        """Produces a clip."""
        answer = await desk.answer(model.read(ask.text, ask.prompt, ask.language))
        return Response(answer.body, media_type="application/json")

    files = {200: {"content": {"application/octet-stream": {}}, "description": "the file"}}

    @app.get("/clip", response_class=Response, responses=_PROBLEMS | files)
    async def clip(
        format: Annotated[Format, Query(description="form of the file")],
        text: Annotated[schema.Text | None, Query(description="what to sign")] = None,
        prompt: Annotated[schema.Text | None, Query(description="a question instead")] = None,
        language: Annotated[schema.Code | None, Query(description="code")] = None,
    ) -> Response:
        """Produces a clip as a file to keep."""
        request = model.read(text, prompt, language)
        answer = await desk.answer(request)
        content = await desk.render(answer.clip, request.text, format.value)
        headers = {"content-disposition": _attachment(request.text, format.value)}
        return Response(content, media_type="application/octet-stream", headers=headers)

    def page(name: str):
        async def send() -> FileResponse:
            return FileResponse(STATIC / name)

        return send

    app.get("/", include_in_schema=False)(page("index.html"))
    app.get("/docs", include_in_schema=False)(page("api.html"))
    app.mount("/static", StaticFiles(directory=STATIC))
    app.mount("/player", StaticFiles(directory=str(PLAYER)))
    return app


class _Desk:
    """Takes requests to the model and to the renderer, and keeps the latest answers."""

    def __init__(self, model: SignLLM, queue: int, renderings: int):
        self._model, self._renderings, self._rendering = model, renderings, 0
        self._batches = Batches(self._produce, BATCH, queue)
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="render")
        self._kept: OrderedDict[ModelRequest, Answer] = OrderedDict()

    @contextlib.asynccontextmanager
    async def running(self):
        async with self._batches.running():
            yield
        self._renderer.shutdown()

    @property
    def waiting(self) -> int:
        """How many texts wait for the model."""
        return self._batches.waiting

    def languages(self) -> schema.Languages:
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
                    max_tokens=(group.trained_tokens or (0, group.row_tokens))[1],
                    max_seconds=group.max_frames / group.statistics.fps,
                )
            )
        return schema.Languages(languages=described, formats=[*Format], max_text=schema.MAX_TEXT)

    async def answer(self, request: ModelRequest) -> Answer:
        """Produces, or takes from what is kept; raises BusyError, or TextError: not understood."""
        if request not in self._kept:
            self._kept[request] = await self._batches.submit(request, request.language)
        self._kept.move_to_end(request)
        answer = self._kept[request]
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return answer

    async def render(self, clip: PoseClip, text: str, form: str) -> bytes:
        """The file's bytes; raises BusyError, and OutputError where a library is missing."""
        if self._rendering >= self._renderings:
            raise BusyError(f"{self._renderings} files are being made: try again in some seconds")
        self._rendering += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._renderer, _render, clip, text, form)
        finally:
            self._rendering -= 1

    def _produce(self, requests: Sequence[ModelRequest], _: str) -> list[Answer | SignLLMError]:
        made = self._model.sign(requests)
        return [
            one if isinstance(one, SignLLMError) else Answer(one.clip, _body(one, request))
            for request, one in zip(requests, made, strict=True)
        ]


def _body(signed: Signed, request: ModelRequest) -> bytes:
    seconds = round(len(signed.clip) / signed.clip.fps, 3)
    answer = {"text": request.text, "language": request.language, "seconds": seconds}
    if signed.gloss is not None:
        answer["gloss"] = signed.gloss
    answer["clip"] = clip_dict(signed.clip)
    return json.dumps(answer, separators=(",", ":")).encode()


def _render(clip: PoseClip, text: str, form: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="signllm_jax-") as folder:
        return clip.save(Path(folder) / f"clip.{form}", text).read_bytes()


def _attachment(text: str, form: str) -> str:
    """A header that names the file after the text, whatever characters that has."""
    name = re.sub(r"\W+", "-", text).strip("-_")[:40] or "clip"
    plain = name if name.isascii() else "clip"
    return f"attachment; filename=\"{plain}.{form}\"; filename*=UTF-8''{quote(name)}.{form}"


def _explain(status: int):
    async def answer(_: Request, error: SignLLMError) -> JSONResponse:
        headers = {"retry-after": "1"} if status == 429 else None
        return JSONResponse({"error": str(error)}, status, headers)

    return answer


async def _explain_request(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    place = "".join(f"{part}: " for part in first["loc"][1:] if isinstance(part, str))
    status = 422 if first["type"] == "string_too_long" else 400
    return JSONResponse({"error": place + first["msg"]}, status)


async def _explain_status(_: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)
