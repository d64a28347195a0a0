"""Guards against requests that never end or come from other sites, and against leaks of faults."""

import asyncio
import contextlib
import functools
import ipaddress
import logging
from collections.abc import Sequence

from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders

from signllm_jax.serve.schema import problem

MAX_BODY = 16 * 1024
"""Largest size of a request's body in bytes."""
BODY_SECONDS = 10
"""Time limit for the arrival of a request's body."""
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
PAGES = ("/", "/docs")
"""Paths to which links on other sites may lead."""
_FILES = ("/static/", "/player/")
_FAULT = "the server has failed at this request; its log says why"
_log = logging.getLogger("uvicorn.error")


class Limits:
    """ASGI middleware around the whole app.

    It reads bodies within the limits, refuses requests from other sites or with another Host,
    answers HEAD like GET, adds `HEADERS` to every answer, reports faults without details, and ends
    the work for a client that has left.

    Args:
        app: ASGI app to guard.
        hosts: Names of the server in Host headers, besides localhost and addresses.
        seconds: Time limit for the arrival of a body.
    """

    def __init__(self, app, hosts: Sequence[str] = (), seconds: float = BODY_SECONDS):
        self.app, self.seconds = app, seconds
        self.hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope, receive, send):
        """Serves one request, as ASGI says."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        head = scope.get("method") == "HEAD"
        answer = _Answer(send, scope.get("path", ""), head)
        headers = dict(scope.get("headers", ()))
        refuse = functools.partial(_refuse, scope, receive, answer)
        if refusal := self._foreign(scope, headers):
            return await refuse(*refusal)
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(receive)
        except TimeoutError:
            return await refuse(408, f"the body did not arrive in {self.seconds} seconds")
        if body is None:
            return None  # the client has gone
        if len(body) > MAX_BODY:
            return await refuse(413, f"the body has more than {MAX_BODY} bytes")
        if head:
            scope = scope | {"method": "GET"}
        try:
            await self._while_there(scope, body, receive, answer)
        except asyncio.CancelledError:  # by the server, whose grace is over
            if not answer.started:
                await refuse(503, "the server is ending")
        except Exception:
            _log.exception("a request failed")
            if not answer.started:
                await refuse(500, _FAULT)
        return None

    def _foreign(self, scope, headers) -> tuple[int, str] | None:
        """Status and reason to refuse a request with another Host or from another site."""
        if not self._is_us(headers.get(b"host", b"localhost").decode("latin-1")):
            return 421, "this server has another name: see --hosts"
        if headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin"):
            return None
        navigated = headers.get(b"sec-fetch-mode") == b"navigate"
        if navigated and scope["method"] in ("GET", "HEAD") and scope["path"] in PAGES:
            return None
        return 403, "asked by the page of another site"

    def _is_us(self, host: str) -> bool:
        """Whether a Host header names this server: other names may point to its address, too."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return _is_address(name.strip("[]")) or name.lower() in self.hosts

    async def _while_there(self, scope, body, receive, answer) -> None:
        """Runs the app until it has answered or the client has left."""
        held = [{"type": "http.request", "body": body, "more_body": False}]
        work, left = asyncio.current_task(), False
        assert work is not None  # a coroutine runs in a task

        async def watch():
            nonlocal left
            while (await receive())["type"] != "http.disconnect":
                pass
            if not answer.ended:
                left = True
                work.cancel()

        gone = asyncio.ensure_future(watch())

        async def replay():
            if held:
                return held.pop()
            await asyncio.shield(gone)
            return {"type": "http.disconnect"}

        try:
            await self.app(scope, replay, answer)
        except asyncio.CancelledError:
            if not left:
                raise  # the server ends the work, not the client
            work.uncancel()
        finally:
            gone.cancel()

    async def _read(self, receive) -> bytes | None:
        """The body, cut off soon after MAX_BODY; None if the client has left."""
        body, more = b"", True
        while more and len(body) <= MAX_BODY:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body")
        return body


class _Answer:
    """An ASGI `send` that adds headers, drops the body after HEAD, and records its progress."""

    def __init__(self, send, path: str, head: bool):
        self._send, self._path, self._head = send, path, head
        self.started = self.ended = False

    async def __call__(self, message):
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in (HEADERS | {"cache-control": _caching(self._path)}).items():
                headers.setdefault(name, value)
        else:
            self.ended = not message.get("more_body")
            message = message | {"body": b""} if self._head else message
        await self._send(message)


@functools.lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def _caching(path: str) -> str:
    """Cache-Control: caches revalidate files each time, and do not store answers."""
    return "no-cache" if path in PAGES or path.startswith(_FILES) else "no-store"


async def _refuse(scope, receive, send, status: int, reason: str) -> None:
    refusal = JSONResponse(problem(status, reason), status, {"connection": "close"})
    await refusal(scope, receive, send)
