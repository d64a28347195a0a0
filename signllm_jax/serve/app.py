"""The ASGI app: POST /produce, GET /clip, GET /languages, the page, and what describes the API."""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.exceptions import HTTPException

import signllm_jax
from signllm_jax.api import SignLLM
from signllm_jax.core.errors import ConfigError, OutputError, SignLLMError, TextError, TooSlowError
from signllm_jax.inference.request import title
from signllm_jax.render.page import STATIC as PLAYER
from signllm_jax.serve import metrics, schema
from signllm_jax.serve.batches import BusyError
from signllm_jax.serve.desk import QUEUE, RENDERINGS, Desk, Format
from signllm_jax.serve.limits import Limits
from signllm_jax.serve.quick import PATH, Quick

STATIC = Path(__file__).parent / "static"
_STATUS = {
    ConfigError: 422,
    TextError: 422,
    OutputError: 500,
    TooSlowError: 504,
    BusyError: 429,
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schema.Problem, "description": why}
    for status, why in {
        400: "the request is broken: no JSON, unknown or missing fields, wrong types",
        403: "the page of another site has asked",
        408: "the body did not arrive in time",
        413: "the body is too large",
        421: "the server is called by a name that is not its own",
        422: "the text is too long, cannot be signed, or the language is not one of this model's",
        500: "a fault of the server",
        503: "the server is ending, and the request was not done in its grace",
        504: "the file was not made in time",
        429: "too many requests wait already; Retry-After says when to come back",
    }.items()
}


def make_app(
    model: SignLLM, queue: int = QUEUE, renderings: int = RENDERINGS, hosts: Sequence[str] = ()
) -> FastAPI:
    """The app around a loaded model.

    Args:
        model: answers one batch at a time.
        queue: texts that may wait for it; more are answered 429.
        renderings: films that may be asked for at once, and as many other files; more are
            answered 429.
        hosts: names that the server may be called by, besides localhost and addresses.
    """
    desk = Desk(model, queue, renderings)

    async def produced(ask: schema.Ask, codings: str) -> Response:
        zipped = _takes_gzip(codings)
        try:
            read = _read(model, ask.text, ask.prompt, ask.typed, ask.language, ask.seed)
            body = await desk.body(read, ask.positions, zipped)
        except tuple(_STATUS) as error:
            return _explained(error)
        headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if zipped else {})
        return Response(body, media_type="application/json", headers=headers)

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
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)  # CPU seconds, memory and open files
    metrics.gauge(registry, "signllm_waiting", "Texts that wait", lambda: desk.waiting)
    metrics.gauge(registry, "signllm_rendering", "Files being made", lambda: desk.rendering)
    app.add_middleware(Quick, produce=produced)
    app.add_middleware(Limits, hosts=hosts)
    app.add_middleware(metrics.Metrics, registry=registry)
    for kind in _STATUS:
        app.exception_handler(kind)(_explain)
    app.exception_handler(RequestValidationError)(_explain_request)
    app.exception_handler(HTTPException)(_explain_status)

    @app.get("/languages")
    async def languages() -> schema.Languages:
        """What can be asked for."""
        return desk.languages()

    @app.post(PATH, response_model=schema.Produced, responses=_PROBLEMS)
    async def produce(ask: schema.Ask, request: Request) -> Response:
        """Produces a clip."""
        return await produced(ask, request.headers.get("accept-encoding", ""))

    files: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/octet-stream": {}}, "description": "the file"}
    }

    @app.get("/clip", response_class=Response, responses=_PROBLEMS | files)
    async def clip(
        format: Annotated[
            Format,  # pyright: ignore[reportInvalidTypeForm] an enum made of render.save's forms
            Query(description="form of the file"),
        ],
        text: Annotated[schema.Text | None, Query(description="what to sign")] = None,
        prompt: Annotated[schema.Text | None, Query(description="a question instead")] = None,
        typed: Annotated[schema.Text | None, Query(description="a text or a question")] = None,
        language: Annotated[schema.Code | None, Query(description="code or name")] = None,
        seed: Annotated[schema.Seed, Query(description="which clip of the text")] = 0,
    ) -> Response:
        """Produces a clip as a file to keep."""
        request = _read(model, text, prompt, typed, language, seed)
        answer = await desk.answer(request)
        content = await desk.render(
            answer.signed.clip, title(request, answer.signed.clip), format.value
        )
        headers = {"content-disposition": _attachment(request.text, format.value)}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        free = desk.ready
        return JSONResponse({"status": "ready" if free else "busy"}, 200 if free else 503)

    @app.get("/metrics", include_in_schema=False)
    async def counts() -> Response:
        return Response(metrics.shown(registry), media_type=metrics.CONTENT_TYPE)

    def page(name: str):
        async def send() -> FileResponse:
            return FileResponse(STATIC / name)

        return send

    app.get("/", include_in_schema=False)(page("index.html"))
    app.get("/docs", include_in_schema=False)(page("api.html"))
    app.mount("/static", StaticFiles(directory=STATIC))
    app.mount("/player", StaticFiles(directory=str(PLAYER)))
    return app


def _read(model: SignLLM, text, prompt, typed, language, seed):
    """What is asked for; raises TextError or ConfigError."""
    if typed is None:
        return model.read(text, prompt, language, seed)
    if text is not None or prompt is not None:
        raise TextError("give one of text, prompt and typed")
    return model.read_typed(typed, language, seed)


def _takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding names gzip, and not to refuse it."""
    codings = (part.replace(" ", "").lower().partition(";q=") for part in header.split(","))
    shares = [share for name, _, share in codings if name == "gzip"]
    return any(not share or share.strip("0.") for share in shares)


def _attachment(text: str, form: str) -> str:
    """A header that names the file after the text, whatever characters that has."""
    name = re.sub(r"\W+", "-", text).strip("-_")[:40] or "clip"
    plain = name if name.isascii() else "clip"
    return f"attachment; filename=\"{plain}.{form}\"; filename*=UTF-8''{quote(name)}.{form}"


def _explained(error: SignLLMError) -> JSONResponse:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    headers = {"retry-after": "1"} if status == 429 else None
    # of the settings only the language is a client's: all else is checked before
    kind = "language" if isinstance(error, ConfigError) else ""
    told = schema.problem(status, str(error), getattr(error, "kind", kind))
    return JSONResponse(told, status, headers)


async def _explain(_: Request, error: SignLLMError) -> JSONResponse:
    return _explained(error)


async def _explain_request(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    place = "".join(f"{part}: " for part in first["loc"][1:] if isinstance(part, str))
    why = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        why = "there is no such field"
    if first["type"] == "string_too_long":
        return JSONResponse(schema.problem(422, place + why, "long"), 422)
    return JSONResponse(schema.problem(400, place + why), 400)


async def _explain_status(_: Request, error: HTTPException) -> JSONResponse:
    told = schema.problem(error.status_code, error.detail)
    return JSONResponse(told, error.status_code, error.headers)
