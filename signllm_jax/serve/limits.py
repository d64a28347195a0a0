"""What no request may do: send for ever, come from another site, or see into our faults."""

import asyncio
import contextlib
import functools
import ipaddress
import json
import logging
from collections.abc import Sequence

from signllm_jax.serve.schema import problem

MAX_BODY = 16 * 1024
"""Bytes of a request's body."""
BODY_SECONDS = 10
"""In which a request's body has to arrive."""
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
PAGES = ("/", "/docs")
"""What a link on another site may lead to."""
_FILES = ("/static/", "/player/")
_FAULT = "the server has failed at this request; its log says why"
_log = logging.getLogger("uvicorn.error")


class Limits:
    """ASGI middleware around the whole app.

    It reads bodies within the limits, refuses what comes from another site or by another name,
    answers HEAD like GET, adds `HEADERS` to every answer, tells a fault without its insides, and
    ends the work for a client that has left.

    Args:
        app: what it is around.
        hosts: names that the server may be called by, besides localhost and addresses.
        max_body: bytes of a body.
        seconds: in which a body has to arrive.
    """

    def __init__(
        self,
        app,
        hosts: Sequence[str] = (),
        max_body: int = MAX_BODY,
        seconds: float = BODY_SECONDS,
    ):
        self.app, self.max_body, self.seconds = app, max_body, seconds
        self.hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope, receive, send):
        """Serves one request, as ASGI says."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        head = scope.get("method") == "HEAD"
        answer = _Answer(send, scope.get("path", ""), head)
        headers = dict(scope.get("headers", ()))
        if refusal := self._foreign(scope, headers):
            return await _refuse(answer, *refusal)
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(receive)
        except TimeoutError:
            return await _refuse(answer, 408, f"the body did not arrive in {self.seconds} seconds")
        if body is None:
            return None  # the client has gone
        if len(body) > self.max_body:
            return await _refuse(answer, 413, f"the body has more than {self.max_body} bytes")
        if head:
            scope = scope | {"method": "GET"}
        try:
            await self._while_there(scope, body, receive, answer)
        except asyncio.CancelledError:  # by the server, whose grace is over
            if not answer.started:
                await _refuse(answer, 503, "the server is ending")
        except Exception:
            _log.exception("a request failed")
            if not answer.started:
                await _refuse(answer, 500, _FAULT)
        return None

    def _foreign(self, scope, headers) -> tuple[int, str] | None:
        """Why a request is not for us: it calls us by a name that is not ours, or another site
        makes it."""
        if not self._is_own(headers.get(b"host", b"localhost").decode("latin-1")):
            return 421, "this server has another name: see --hosts"
        if headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin"):
            return None
        navigated = headers.get(b"sec-fetch-mode") == b"navigate"
        if navigated and scope["method"] in ("GET", "HEAD") and scope["path"] in PAGES:
            return None
        return 403, "asked by the page of another site"

    def _is_own(self, host: str) -> bool:
        """Whether a Host header names us: a name of another's may point to our address."""
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
                raise  # it is not for the client that the work ends
            work.uncancel()
        finally:
            gone.cancel()

    async def _read(self, receive) -> bytes | None:
        body = b""
        while len(body) <= self.max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        return body


class _Answer:
    """An ASGI `send` that adds headers, leaves the body out after HEAD, and knows how far it is."""

    def __init__(self, send, path: str, head: bool):
        self._send, self._path, self._head = send, path, head
        self.started = self.ended = False

    async def __call__(self, message):
        if message["type"] == "http.response.start":
            self.started = True
            held = {name for name, _ in message["headers"]}
            wanted = (*_HEADERS, (b"cache-control", _kept(self._path)))
            message["headers"] = [*message["headers"], *(h for h in wanted if h[0] not in held)]
        else:
            self.ended = not message.get("more_body")
            message = message | {"body": b""} if self._head else message
        await self._send(message)


@functools.lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def _kept(path: str) -> bytes:
    """Cache-Control: files are asked for again each time, answers are kept by nobody."""
    return b"no-cache" if path in PAGES or path.startswith(_FILES) else b"no-store"


async def _refuse(send, status: int, reason: str) -> None:
    body = json.dumps(problem(status, reason)).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
