"""Runs the app under uvicorn on a socket of ours, until it is told to end."""

import signal
import socket

from signllm_jax.api import SignLLM
from signllm_jax.core.errors import ConfigError

CONNECTIONS = 512
"""Open connections; more are answered 503."""
GRACE = 30
"""Seconds that running requests have to finish after SIGTERM."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises ConfigError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def serve(model: SignLLM, listener: socket.socket, queue: int) -> None:
    """Compiles, says where the page is, and serves; returns after SIGTERM, when all is answered."""
    try:
        import uvicorn

        from signllm_jax.serve.app import make_app
    except ImportError as error:
        raise ConfigError(f"needs {error.name}: pip install 'signllm_jax[serve]'") from error
    model.warm_up()
    config = uvicorn.Config(
        make_app(model, queue),
        log_level="warning",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )
    host, port = listener.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    # uvicorn ends on the signal and then hands it on: to be ended so is no failure
    signal.signal(signal.SIGTERM, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])
