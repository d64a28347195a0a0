"""The ASGI app: POST /produce, GET /clip, GET /languages, the page, and the pages about the API."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
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
    status: {"model": schema.Problem, "description": description}
    for status, (_, description) in schema.PROBLEMS.items()
    if description
}


def make_app(
    model: SignLLM, queue: int = QUEUE, renderings: int = RENDERINGS, hosts: Sequence[str] = ()
) -> FastAPI:
    """The app around a loaded model.

    Args:
        model: Model that answers one batch at a time.
        queue: Largest number of texts that wait for the model; further ones are answered 429.
        renderings: Largest number of requested films, and of other files; further ones are
            answered 429.
        hosts: Names of the server in Host headers, besides localhost and addresses.
    """
    desk = Desk(model, queue, renderings)

    async def produced(ask: schema.Ask, codings: str) -> Response:
        zipped = _takes_gzip(codings)
        try:
            read = _read(model, ask.text, ask.prompt, ask.typed, ask.language, ask.seed)
            body = await desk.body(read, ask.positions, zipped)
        except tuple(_STATUS) as error:
            return await _explain(None, error)
        headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if zipped else {})
        return Response(body, media_type="application/json", headers=headers)

    app = FastAPI(
        title="signllm_jax",
        version=signllm_jax.__version__,
        summary="Text in, 3D sign language pose sequences out.",
        docs_url=None,  # would load scripts from elsewhere; /docs is our own page
        redoc_url=None,
        lifespan=lambda _: desk.running(),
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
        signed = (await desk.answer(request)).signed
        content = await desk.render(signed.clip, title(request, signed.clip), format.value)
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
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

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
    """The request to the model; raises TextError or ConfigError."""
    if typed is None:
        return model.read(text, prompt, language, seed)
    if text is not None or prompt is not None:
        raise TextError("give one of text, prompt and typed")
    return model.read_typed(typed, language, seed)


def _takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header accepts gzip."""
    codings = (part.replace(" ", "").lower().partition(";q=") for part in header.split(","))
    shares = [share for name, _, share in codings if name == "gzip"]
    return any(not share or share.strip("0.") for share in shares)


def _attachment(text: str, form: str) -> str:
    """A Content-Disposition header that names the file after the text, in any script."""
    name = re.sub(r"\W+", "-", text).strip("-_")[:40] or "clip"
    plain = name if name.isascii() else "clip"
    return f"attachment; filename=\"{plain}.{form}\"; filename*=UTF-8''{quote(name)}.{form}"


async def _explain(_: Request | None, error: SignLLMError) -> JSONResponse:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    headers = {"retry-after": "1"} if status == 429 else None
    # the language is the only setting of a client that is not checked before
    kind = "language" if isinstance(error, ConfigError) else ""
    problem = schema.problem(status, str(error), getattr(error, "kind", kind))
    return JSONResponse(problem, status, headers)


async def _explain_request(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    field = "".join(f"{part}: " for part in first["loc"][1:] if isinstance(part, str))
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        reason = "there is no such field"
    status, kind = (422, "long") if first["type"] == "string_too_long" else (400, "")
    return JSONResponse(schema.problem(status, field + reason, kind), status)


async def _explain_status(_: Request, error: HTTPException) -> JSONResponse:
    problem = schema.problem(error.status_code, error.detail)
    return JSONResponse(problem, error.status_code, error.headers)
