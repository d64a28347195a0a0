"""Several hosts as one run: they find each other, agree on settings, and end together.

Only this file starts jax.distributed and uses its coordination service. In a run of one process,
every function here is trivial.
"""

import contextlib
import hashlib
import itertools
import json
import operator
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import distributed  # its key-value store has no public name
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.typing import Tree
from signllm_jax.parallel import sharding
from signllm_jax.parallel.heartbeat import HEARTBEAT, Watch

T = TypeVar("T")
PATIENCE = 300.0
"""Seconds that the hosts of a run may start apart."""
SAID = 15.0
"""Seconds between two lines about what a host waits for."""
DAY = 24 * 3600 * 1000
"""Milliseconds to wait for another host. It is long, since the loss of a host ends all anyway."""

_turns: dict[str, Iterator[int]] = {}
_watch: Watch | None = None


@contextlib.contextmanager
def together(
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    report: Callable[[BaseException], int],
):
    """Joins the hosts of a run before jax is first used; all of them end together.

    jax itself detects TPU pods, SLURM and Open MPI. Elsewhere the arguments or
    JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID describe the run. Without them the
    process is alone. When the block raises on one host, the others end too, with one line why.

    Args:
        coordinator: `host:port` of the first process.
        processes: Number of processes.
        process: Number of this process, from 0.
        report: Function that prints an error and returns the exit code, for runs of several hosts.

    Raises:
        ConfigError: The processes do not find each other.
    """
    global _watch
    _start(coordinator, processes, process)
    if count() == 1:
        yield
        return
    _watch = Watch(_client(), distributed.global_state.process_id)
    try:
        yield
        wait("the end")
    except BaseException as error:
        _watch.end(error, report)
    _watch.close()
    _watch = None
    jax.distributed.shutdown()


def _start(coordinator, processes, process):
    environ = os.environ
    coordinator = coordinator or environ.get("JAX_COORDINATOR_ADDRESS")
    named = {"JAX_NUM_PROCESSES": processes, "JAX_PROCESS_ID": process}
    try:
        processes, process = (
            int(environ[name]) if value is None and environ.get(name) else value
            for name, value in named.items()
        )
    except ValueError:
        raise ConfigError("JAX_NUM_PROCESSES and JAX_PROCESS_ID must be numbers") from None
    configured = not (coordinator is processes is process is None)
    if coordinator and not coordinator.rpartition(":")[2].isdigit():
        raise ConfigError(f"--coordinator: {coordinator!r} is not host:port")
    if process is not None and processes is not None and not 0 <= process < processes:
        raise ConfigError(f"--process={process}: there are {processes} processes, from 0")
    if coordinator and process:
        with saying(f"waiting for the coordinator at {coordinator}"):
            _await(coordinator)
    others = f"all {processes} processes" if processes else "the other processes"
    try:
        with saying(f"waiting for {others} to come to the coordinator"):
            jax.distributed.initialize(
                coordinator, processes, process, heartbeat_timeout_seconds=HEARTBEAT
            )
    except ValueError as error:
        if configured or "coordinator_address" not in str(error):
            raise ConfigError(f"--coordinator, --processes, --process: {error}") from None
    except RuntimeError as error:  # such as an address that is in use
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"--coordinator: the processes do not come together: {reason}") from None


@contextlib.contextmanager
def saying(what: str):
    """Prints on stderr every `SAID` seconds what the host waits for while the block runs."""
    done = threading.Event()
    began = time.monotonic()

    def say():
        while not done.wait(SAID):
            print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _await(coordinator: str) -> None:
    """Waits until a server answers at an address: jax would abort when its own wait times out."""
    host, _, port = coordinator.rpartition(":")
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise ConfigError(
                    f"--coordinator={coordinator}: nobody answers within {PATIENCE:g} s: {error}"
                ) from None
        time.sleep(0.2)


def _client() -> Any:
    """The client of the coordination service, which exists if there are several hosts."""
    return distributed.global_state.client


def _turn(name: str) -> str:
    """A name for this use of it, which is the same on all hosts."""
    return f"signllm/{name}/{next(_turns.setdefault(name, itertools.count()))}"


def count() -> int:
    """The number of hosts (processes); starts no backend."""
    return distributed.global_state.num_processes


def is_first() -> bool:
    """Whether this host is the one that writes what is written once."""
    return jax.process_index() == 0


def watching():
    """While the block runs, hosts send signs of life; a host that sends none is lost."""
    return contextlib.nullcontext() if _watch is None else _watch.beating()


def progress() -> None:
    """Notes that this host has done the next piece of the run; see `watching`.

    All hosts call it after the same pieces: a host that stays behind for long has hung.
    """
    if _watch is not None:
        _watch.progress()


def wait(what: str) -> None:
    """Returns when all hosts have come to this call."""
    if count() > 1:
        _client().wait_at_barrier(_turn(f"wait/{what}"), DAY)


def meet(mesh: Mesh) -> None:
    """Connects the processes of a run on CPU along all axes of its mesh, while all are waiting.

    Otherwise they would connect in the first collective, and fail if one reaches it 30 s after
    another, as on a busy machine that compiles for longer. TPUs and GPUs do not need this.
    """
    if count() == 1 or jax.default_backend() != "cpu":
        return
    axes = tuple(axis for axis, size in mesh.shape.items() if size > 1)
    groups = [group for n in range(len(axes)) for group in itertools.combinations(axes, n + 1)]

    def reduce():
        index = jax.lax.axis_index(axes)
        return jnp.reshape(sum(jax.lax.psum(index, group) for group in groups), 1)

    reduced = jax.shard_map(reduce, mesh=mesh, in_specs=(), out_specs=PartitionSpec(axes))
    program = jax.jit(reduced).lower().compile()
    wait("the connections")
    jax.block_until_ready(program())


def from_first(value: T) -> T:
    """The first host's value, which JSON can represent, on all hosts."""
    if count() == 1:
        return value
    key = _turn("from_first")
    if is_first():
        _client().key_value_set(key, json.dumps(value))
        return value
    return json.loads(_client().blocking_key_value_get(key, DAY))


def from_all(value: T) -> list[T]:
    """The values of all hosts in order, which JSON can represent, on all hosts."""
    if count() == 1:
        return [value]
    key = _turn("from_all")
    _client().key_value_set(f"{key}/{jax.process_index():06d}", json.dumps(value))
    _client().wait_at_barrier(key, DAY)
    return [json.loads(text) for _, text in sorted(_client().key_value_dir_get(f"{key}/"))]


def agree(values: Mapping[str, Any]) -> None:
    """Raises ConfigError on all hosts, naming the value, if the hosts' values differ."""
    flat = dict(_flat(values))
    digests = from_all(hashlib.sha256(json.dumps(flat).encode()).hexdigest())
    host = next((i for i, digest in enumerate(digests) if digest != digests[0]), None)
    if host is None:
        return
    given = from_all(flat if jax.process_index() in (0, host) else None)
    first, second = given[0] or {}, given[host] or {}
    name = next(n for n in first | second if first.get(n) != second.get(n))
    raise ConfigError(
        f"all hosts must be started alike: {name} is {first.get(name)!r} on host 0, "
        f"{second.get(name)!r} on host {host}"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", list(value) if isinstance(value, tuple) else value


def gather(tree: Tree, lane: int | None = None) -> Tree:
    """Arrays as numpy on every host, leaf by leaf; with `lane` that part of the leading axis."""
    return jax.tree.map(lambda leaf: np.asarray(_everywhere(leaf, lane)), tree)


def _everywhere(leaf: jax.Array, lane: int | None) -> jax.Array:
    if count() == 1:
        return leaf if lane is None else leaf[lane]
    if lane is None:
        return multihost_utils.process_allgather(leaf, tiled=True)
    mesh = cast(NamedSharding, leaf.sharding).mesh
    return jax.jit(operator.getitem, out_shardings=sharding.replicated(mesh))(leaf, lane)
