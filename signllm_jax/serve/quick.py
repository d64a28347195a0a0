"""The short way to a clip: a sound POST /produce is answered without the framework.

Its routing, parameters and checks cost as much as the rest of HTTP. They stay what describes the
API and what says what is wrong with a request.
"""

from collections.abc import Awaitable, Callable

from fastapi import Response
from pydantic import ValidationError

from signllm_jax.serve.schema import Ask

PATH = "/produce"


class Quick:
    """ASGI middleware inside of `Limits`, which gives a body as one message.

    Args:
        app: answers all else.
        produce: (what is asked, the Accept-Encoding) -> the answer.
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
            return await self.app(scope, _again(first, receive), send)
        codings = headers.get(b"accept-encoding", b"").decode("latin-1")
        response = await self.produce(ask, codings)
        await response(scope, receive, send)


def _sound(kind: bytes | None, body: bytes) -> Ask | None:
    """What a body asks for, None where the framework has to look at it."""
    try:
        return Ask.model_validate_json(body) if kind == b"application/json" else None
    except ValidationError:
        return None


def _again(first, receive):
    """`receive` with a message that has been read before the others."""
    waiting = [first]

    async def replay():
        return waiting.pop() if waiting else await receive()

    return replay
