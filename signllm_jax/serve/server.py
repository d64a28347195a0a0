"""Runs the app under uvicorn on a given socket until a signal ends it."""

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Sequence

from signllm_jax.api import SignLLM
from signllm_jax.core.errors import ConfigError, SignLLMError
from signllm_jax.core.languages import get_language
from signllm_jax.core.wording import how_to_install

BACKLOG = 512
GRACE = 30
"""Seconds for running requests to finish after SIGTERM."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises ConfigError if the address is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def serve(
    model: SignLLM,
    listener: socket.socket,
    queue: int,
    hosts: Sequence[str] = (),
    per_client: int | None = None,
) -> None:
    """Compiles, prints the page's address, and serves until SIGTERM and the last answer.

    Args:
        model: Model that answers.
        listener: A listening socket.
        queue: Largest number of texts that wait for the model.
        hosts: Names of the server in Host headers, besides localhost and addresses.
        per_client: Largest number of connections of one address; 0 = no limit.
    """
    try:
        import uvicorn

        from signllm_jax.render import video
        from signllm_jax.serve.app import make_app
        from signllm_jax.serve.connections import PER_CLIENT, guarded
        from signllm_jax.serve.desk import RENDER_SECONDS
    except ImportError as error:
        raise ConfigError(f"needs {error.name}: {how_to_install('serve')}") from error
    print(
        "getting ready: the first start compiles for half a minute, later ones do not", flush=True
    )
    model.warm_up()
    for code in model.languages:  # a client's first prompt is then as fast as the others
        with contextlib.suppress(SignLLMError):  # a language may lack the letter
            model.read(prompt=f"How do you sign 'a' in {get_language(code).name}?", language=code)
    gc.freeze()  # the loaded objects stay: no need to search them for garbage
    video.MOST_SECONDS = RENDER_SECONDS
    config = uvicorn.Config(
        make_app(model, queue, hosts=hosts),
        http=guarded(PER_CLIENT if per_client is None else per_client),
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    # uvicorn ends on the signal and then passes it on; before it listens the signal ends us, too,
    # at once: an exception would be lost in a callback of the garbage collector
    signal.signal(signal.SIGTERM, _end)
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"The page is ready: open {url} in a browser; Ctrl-C ends it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C, after all is answered
        uvicorn.Server(config).run(sockets=[listener])
    print("stopped", flush=True)


def _end(*_) -> None:
    os.write(1, b"stopped\n")  # not print, which a signal may have interrupted
    os._exit(0)
