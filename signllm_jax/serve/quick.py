"""Answers valid requests POST /produce without the framework.

The framework's routing and checks take as long as the rest of HTTP. They still describe the API,
and answer invalid requests.
"""

from collections.abc import Awaitable, Callable

from fastapi import Response
from pydantic import ValidationError

from signllm_jax.serve.schema import Ask

PATH = "/produce"


class Quick:
    """ASGI middleware inside of `Limits`, which gives a body as one message.

    Args:
        app: ASGI app for all other requests.
        produce: (request, Accept-Encoding) -> answer.
    """

    def __init__(self, app, produce: Callable[[Ask, str], Awaitable[Response]]):
        self.app, self.produce = app, produce

    async def __call__(self, scope, receive, send):
        """Serves one request, as ASGI says."""
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", PATH):
            return await self.app(scope, receive, send)
        first = await receive()
        headers = dict(reversed(scope["headers"]))  # the first of a name, as the framework takes
        ask = _sound(headers.get(b"content-type"), first.get("body", b""))
        if ask is None:
            messages = [first]

            async def replay():
                return messages.pop() if messages else await receive()

            return await self.app(scope, replay, send)
        codings = headers.get(b"accept-encoding", b"").decode("latin-1")
        response = await self.produce(ask, codings)
        await response(scope, receive, send)


def _sound(kind: bytes | None, body: bytes) -> Ask | None:
    """The request in a body, None if the framework has to check it."""
    try:
        return Ask.model_validate_json(body) if kind == b"application/json" else None
    except ValidationError:
        return None
