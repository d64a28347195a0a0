"""The shell of every command: flags in, exit code out, and one line on stderr when it fails.

Exit codes: 0 done, 1 a fault of the program (with traceback), 2 bad input, 3 another host of the
run was lost or has hung, 75 a training was stopped and has saved, 130 interrupted.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging

from signllm_jax.core.compile_cache import BESIDE, keep_programs
from signllm_jax.core.errors import SignLLMError
from signllm_jax.core.storage import is_remote

FAULT = 1
BAD_INPUT = 2
STOPPED = 75
"""Of a training that a signal stopped: it is not done; the same command goes on (EX_TEMPFAIL)."""
INTERRUPTED = 130


def run(main: Callable[[], int | None]) -> NoReturn:
    """Parses the absl flags of the command line, calls `main()` and exits by what it returns.

    `main` returns an exit code or None (0). A SignLLMError or a bad flag is one line on stderr and
    exit code 2; `--debug` shows the traceback and the libraries' messages as well. Positional
    arguments are refused.
    """
    _be_quiet()
    if "debug" not in flags.FLAGS:
        flags.DEFINE_boolean("debug", False, "Show tracebacks and the libraries' messages.")
    try:
        # absl exits with what this returns
        app.run(lambda _: _call(main), flags_parser=_parse)
    except KeyboardInterrupt:  # while flags are parsed or exit handlers run
        sys.exit(INTERRUPTED)
    sys.exit(0)


def _parse(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS([_with_config(argument) for argument in argv])
        if len(rest) > 1:
            raise flags.Error(f"unexpected argument {rest[1]!r}: values are given as --name=value")
        for name in flags.FLAGS:  # a config file that is missing says so when it is first used
            getattr(flags.FLAGS[name].value, "to_dict", None)
    # a config file that is loaded as a flag raises whatever is wrong with it
    except Exception as error:
        sys.exit(_report(error, "--debug" in argv))
    if flags.FLAGS.debug:
        logging.set_verbosity(logging.INFO)
    elif flags.FLAGS["verbosity"].using_default_value:
        logging.set_verbosity(logging.FATAL)  # what goes wrong is also raised
    return rest


def config_path(path: str) -> str:
    """The path of a config, `configs/FILE.py[:...]`, beside the package if not in this folder.

    So an installed package, which has its configs with it, is used from anywhere.
    """
    file = path.partition(":")[0]
    beside = Path(__file__).resolve().parents[1] / file
    own = file.startswith("configs/") and not os.path.exists(file) and beside.exists()
    return str(beside) + path[len(file) :] if own else path


def _with_config(argument: str) -> str:
    name, _, path = argument.partition("=")
    return f"{name}={config_path(path)}" if name in ("--config", "-config") else argument


def _call(main: Callable[[], int | None]) -> int:
    workdir = "workdir" in flags.FLAGS and (flags.FLAGS.workdir or "runs/run")
    if workdir and not is_remote(workdir):
        keep_programs(os.path.join(os.path.dirname(os.path.abspath(workdir)), BESIDE))
    try:
        return main() or 0
    except (SignLLMError, KeyboardInterrupt) as error:
        return report(error)


def report(error: BaseException) -> int:
    """Says on stderr what ended a command, and returns its exit code."""
    if isinstance(error, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    if isinstance(error, SignLLMError):
        return _report(error, flags.FLAGS.debug)
    traceback.print_exception(error)
    return FAULT


def _report(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    name = os.path.basename(sys.argv[0])
    message = " ".join(str(error).split()) or type(error).__name__
    print(f"{name}: {message}", file=sys.stderr)
    return BAD_INPUT


def _be_quiet() -> None:
    """Keeps XLA's start-up messages off the terminal; read when the libraries are first loaded."""
    if "--debug" not in sys.argv:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        os.environ.setdefault("GLOG_minloglevel", "3")
