"""Runs the commands of launch/ as processes of their own, quickly, and so that they can be killed.

A fork server has imported the libraries already; each command is then a fresh process with its own
flags, signals and jax backend, as from a shell.
"""

import dataclasses
import functools
import importlib
import multiprocessing
import os
import random
import runpy
import signal
import socket
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["signllm_jax.train.loop", "signllm_jax.api", "signllm_jax.render.video", "configs.mlsf"]
)

# a folder of compiled programs that the commands of all tests share; conftest.py names it
PROGRAMS = None
_SHARED = object()

# a run of seconds: one small group, a checkpoint every 4 of 12 steps and two evaluations
TINY = {
    "data.languages": ("asl",),
    "data.row_frames": 96,
    "data.row_tokens": 8,
    "data.row_clips": 1,
    "model.width": 16,
    "model.heads": 2,
    "model.mlp": 16,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.progress_features": 4,
    "train.batch_size": 2,
    "train.steps": 12,
    "checkpoint.every": 4,
    "eval.every": 6,
    "eval.clips": 1,
    "eval.batch_size": 1,
    "eval.max_frames": 8,
    "eval.report": False,
    "log.every": 1,
    "log.progress": False,
}


def flags(values: dict) -> list[str]:
    return [f"--config.{name}={value}" for name, value in values.items()]


@dataclasses.dataclass(frozen=True)
class Death:
    """SIGKILL up to `delay` seconds after call number `call` of a function begins.

    Attributes:
        module, function: what is called, for example `Checkpoints.save` of train.checkpoint.
        call: which call, the first is 1.
        delay: seconds.
    """

    module: str
    function: str
    call: int
    delay: float

    def arm(self):
        def die():
            threading.Timer(self.delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

        _at_call(self, die)


@dataclasses.dataclass(frozen=True)
class Wait:
    """Says so and stands still for `delay` seconds when a call begins, of those of Death."""

    module: str
    function: str
    call: int
    delay: float

    def arm(self):
        def wait():
            print("waiting")
            time.sleep(self.delay)

        _at_call(self, wait)


def _at_call(hook, act):
    *holders, name = hook.function.split(".")
    holder = functools.reduce(getattr, holders, importlib.import_module(hook.module))
    called, count = getattr(holder, name), iter(range(1, 1 << 30))

    @functools.wraps(called)
    def acting(*args, **kwargs):
        if next(count) == hook.call:
            act()
        return called(*args, **kwargs)

    setattr(holder, name, acting)


@dataclasses.dataclass(frozen=True)
class Set:
    """Gives a module's constant another value."""

    module: str
    name: str
    value: float

    def arm(self):
        setattr(importlib.import_module(self.module), self.name, self.value)


@dataclasses.dataclass(frozen=True)
class Term:
    """SIGTERM when a call begins, of those of Death, and `delay` seconds for it to get around."""

    module: str
    function: str
    call: int
    delay: float

    def arm(self):
        def term():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(self.delay)

        _at_call(self, term)


@dataclasses.dataclass(frozen=True)
class Poison:
    """Makes the frames of a step's batch NaN."""

    step: int

    def arm(self):
        from signllm_jax.data.batches import TrainData

        clean = TrainData.batch

        def batch(data, step, *args):
            made = clean(data, step, *args)
            poisoned = step + 1 == self.step
            return made._replace(frames=made.frames * float("nan")) if poisoned else made

        TrainData.batch = batch


@dataclasses.dataclass
class Command:
    """A command that runs, or has run.

    Attributes:
        process: the process.
        out, err: files of what it printed.
    """

    process: multiprocessing.process.BaseProcess
    out: Path
    err: Path

    def end(self, seconds: float = 240) -> int:
        """Waits and returns the exit code, -9 after a SIGKILL."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"{self.process.name}: {self.err.read_text()}")
        return self.process.exitcode

    def wait_for(self, condition, seconds: float = 240):
        """Returns when `condition()` holds."""
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.exitcode is None, self.err.read_text()
            assert time.monotonic() < until, self.err.read_text()
            time.sleep(0.02)


def start(
    folder: Path,
    command: str,
    args: list[str],
    programs=_SHARED,
    hook=None,
    cwd: Path = ROOT,
    env: dict | None = None,
) -> Command:
    """Starts `python launch/<command>.py args`.

    Args:
        folder: for what it prints.
        command: name of a file in launch/.
        args: flags.
        programs: folder of compiled programs; None leaves it to the command, False is none.
        hook: a Death, a Wait, a Term, a Set or a Poison, or several.
        cwd: folder that it runs in.
        env: variables beside those of this process.
    """
    # of the system's entropy, never seeded here
    name = f"{Path(command).name}-{random.randrange(1 << 48):x}"
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    programs = PROGRAMS if programs is _SHARED else programs
    given = (command, args, out, err, programs, hook, cwd, env or {})
    process = _SERVER.Process(target=_main, args=given, name=name)
    process.start()
    return Command(process, out, err)


def run(folder: Path, command: str, args: list[str], **kwargs) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    running = start(folder, command, args, **kwargs)
    code = running.end()
    return code, running.out.read_text(), running.err.read_text()


def start_hosts(
    folder: Path, args: list[str], devices: int, hooks=(None, None), own=((), ())
) -> list[Command]:
    """Starts `launch/train.py args` as one run of as many processes as there are hooks.

    Each has a hook, `own` flags and so many fake devices.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    together = [f"--coordinator=localhost:{port}", f"--processes={len(hooks)}"]
    env = {"JAX_NUM_CPU_DEVICES": str(devices)}
    return [
        start(folder, "train", [*args, *together, f"--process={i}", *own[i]], hook=hook, env=env)
        for i, hook in enumerate(hooks)
    ]


def _main(command, args, out, err, programs, hook, cwd, env):
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stdin = open(os.devnull)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the server ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup of the tests would make it be ignored
    os.chdir(cwd)
    os.environ.update(env)
    import jax

    from signllm_jax.core.languages import add_own

    add_own()  # as when it is imported: the server has done that without these variables
    os.environ.pop("SIGNLLM_CACHE_DIR", None)
    jax.config.update("jax_compilation_cache_dir", str(programs) if programs else None)
    jax.config.update("jax_enable_compilation_cache", programs is not False)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    if command != "compile":  # whose programs are what users get
        jax.config.update("jax_disable_most_optimizations", True)  # as conftest.py does
    for name, value in env.items():  # jax has read those of the server
        if name.startswith("JAX_"):
            jax.config.update(name.lower(), int(value))
    if any(arg.startswith("--processes=") for arg in args):
        _keep_programs_of_all_hosts()
    for each in () if hook is None else hook if isinstance(hook, tuple) else (hook,):
        each.arm()
    path = str(ROOT / "launch" / f"{command}.py")
    sys.argv = [path, *args]
    runpy.run_path(path, run_name="__main__")


def _keep_programs_of_all_hosts():
    """jax 0.10 lets only the first process keep what it compiles; on CPU no other can use that."""
    from types import SimpleNamespace

    from jax._src import compiler, distributed

    class First:  # whoever asks is the first
        process_id = 0

        def __getattr__(self, name):
            return getattr(distributed.global_state, name)

    compiler.distributed = SimpleNamespace(global_state=First())


def contents(folder: Path) -> dict[str, bytes | None] | None:
    """Every file of a folder with its bytes, folders as None; None when there is no folder."""
    if not folder.exists():
        return None
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
