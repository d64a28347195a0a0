"""What no request may do: send without end, send for ever, or have the page load foreign things."""

import asyncio
import json

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


class Limits:
    """ASGI middleware: reads bodies within the limits, and adds `HEADERS` to every answer."""

    def __init__(self, app, max_body: int = MAX_BODY, seconds: float = BODY_SECONDS):
        self.app, self.max_body, self.seconds = app, max_body, seconds

    async def __call__(self, scope, receive, send):
        """Serves one connection, as ASGI says."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def answer(message):
            if message["type"] == "http.response.start":
                held = {name for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(h for h in more if h[0] not in held)]
            await send(message)

        try:
            body = await asyncio.wait_for(self._read(receive), self.seconds)
        except TimeoutError:
            return await _refuse(answer, 408, f"the body did not arrive in {self.seconds} seconds")
        if body is None:
            return None  # the client has gone
        if len(body) > self.max_body:
            return await _refuse(answer, 413, f"the body has more than {self.max_body} bytes")
        held = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            return held.pop() if held else await receive()

        return await self.app(scope, replay, answer)

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


async def _refuse(send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
