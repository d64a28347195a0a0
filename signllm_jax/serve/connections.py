"""Guards of connections: a time limit for a request's head, and a limit per client.

uvicorn waits for a head without end, and counts idle connections like working ones. So one client
with enough of them would keep out all others. Here the connection that has idled longest is closed.
"""

import json
from collections import Counter

from uvicorn.protocols.http.h11_impl import H11Protocol

from signllm_jax.serve.schema import problem

HEAD_SECONDS = 5
"""Time limit for a request's head, from its first byte or the beginning of the connection."""
UNREAD_SECONDS = 60
"""Time limit for a client to read on while an answer waits for it."""
CONNECTIONS = 512
"""Largest number of open connections; then the one that has idled longest is closed."""
PER_CLIENT = 64
"""Largest number of open connections of one address."""


def guarded(
    per_client: int = PER_CLIENT,
    most: int = CONNECTIONS,
    head: float = HEAD_SECONDS,
    unread: float = UNREAD_SECONDS,
) -> type[H11Protocol]:
    """A protocol class for uvicorn's `http`, whose connections are counted together.

    Args:
        per_client: Largest number of connections of one address; 0 = no limit, as behind a proxy.
        most: Largest number of open connections. If none of them idles, a new one is answered 503.
        head: Seconds for the arrival of a head.
        unread: Seconds for a client to read on.
    """
    held: Counter[str] = Counter()

    class Guarded(H11Protocol):
        _timer = _stalled = None
        _address = ""

        def connection_made(self, transport):
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            held[self._address] += 1
            if per_client and held[self._address] > per_client:
                self._refuse(429, f"more than {per_client} connections of one address")
            else:
                self._watch_head()
                if sum(held.values()) > most:
                    next(iter(idle))._make_room()

        def connection_lost(self, exc):
            idle.pop(self, None)
            held[self._address] -= 1
            if not held[self._address]:
                del held[self._address]
            for timer in (self._timer, self._stalled):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data):
            if self.transport.is_closing():
                return
            super().data_received(data)
            self._watch_head()

        def on_response_complete(self):
            super().on_response_complete()
            self._watch_head(armed=False)  # until more arrives uvicorn's own limit holds

        def pause_writing(self):
            super().pause_writing()
            self._stalled = self.loop.call_later(unread, self.transport.abort)

        def resume_writing(self):
            super().resume_writing()
            if self._stalled is not None:
                self._stalled.cancel()

        def _watch_head(self, armed=True):
            """Runs the timer while a head is awaited, and only then."""
            awaited = self.cycle is None or self.cycle.response_complete
            if awaited:
                idle.setdefault(self)
            else:
                idle.pop(self, None)
            if self._timer is not None and not (awaited and armed):
                self._timer.cancel()
                self._timer = None
            if awaited and armed and self._timer is None and not self.transport.is_closing():
                late = f"the request did not arrive in {head:g} seconds"
                self._timer = self.loop.call_later(head, self._refuse, 408, late)

        def _make_room(self):
            """Ends this connection; a new one if no other idles."""
            self._refuse(503, "too many connections are open")
            idle.pop(self, None)

        def _refuse(self, status, reason):
            if self.transport.is_closing():
                return
            body = json.dumps(problem(status, reason))
            self.transport.write(
                f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()
            )
            self.transport.close()

    idle: dict[Guarded, None] = {}  # connections that await a head, the longest first
    return Guarded
