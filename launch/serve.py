"""Serves a page and a JSON API: python launch/serve.py [--workdir=DIR] [--port=8000]."""

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string(
    "workdir", None, "a trained run or export, by default the model of the package"
)
HOST = flags.DEFINE_string("host", "127.0.0.1", "address to listen on; 0.0.0.0 = every one")
PORT = flags.DEFINE_integer("port", 8000, "port to listen on; 0 = any that is free", 0, 65535)
QUEUE = flags.DEFINE_integer("queue", 64, "texts that may wait for the model", 1)
HOSTS = flags.DEFINE_list("hosts", [], "names it is called by, besides localhost and addresses")
PER_CLIENT = flags.DEFINE_integer("per_client", 64, "connections of one address; 0 = any", 0)


def main() -> None:
    """Reads the flags and serves until SIGTERM or Ctrl-C."""
    from signllm_jax.api import SignLLM
    from signllm_jax.serve.server import bind, serve

    model = SignLLM.load(WORKDIR.value)
    with bind(HOST.value, PORT.value) as listener:
        serve(model, listener, QUEUE.value, HOSTS.value, PER_CLIENT.value)


if __name__ == "__main__":
    cli.run(main)
