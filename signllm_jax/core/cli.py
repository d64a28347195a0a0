"""The shell of every command: flags in, exit code out, and one line on stderr when it fails.

Exit codes: 0 done, 1 a fault of the program (with traceback), 2 bad input, 3 another host of the
run was lost or has hung, 75 a training was stopped and has saved, 130 interrupted.
"""

import difflib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from absl import app, flags, logging

from signllm_jax.core.compile_cache import keep_programs
from signllm_jax.core.environment import set_back, without_device
from signllm_jax.core.errors import ConfigError, SignLLMError

FAULT, BAD_INPUT, INTERRUPTED = 1, 2, 130
STOPPED = 75
"""Exit code of a training run that a signal stopped: the same command resumes it (EX_TEMPFAIL)."""

_Value = TypeVar("_Value")


def run(main: Callable[[], int | None]) -> NoReturn:
    """Parses the absl flags of the command line, calls `main()` and exits by what it returns.

    `main` returns an exit code or None (0). A SignLLMError or a bad flag is one line on stderr and
    exit code 2; `--debug` shows the traceback and the libraries' messages as well. Positional
    arguments are refused.
    """
    _be_quiet()
    for line in set_back():
        print(f"note: {line}", file=sys.stderr)
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
        sys.exit(_report(_clearer(error, argv), "--debug" in argv))
    if flags.FLAGS.debug:
        logging.set_verbosity(logging.INFO)
    elif flags.FLAGS["verbosity"].using_default_value:
        logging.set_verbosity(logging.FATAL)  # what goes wrong is also raised
    return rest


def _clearer(error: Exception, argv: list[str]) -> Exception:
    """The error of parsing the flags, or one that says which setting of the config is unknown."""
    given = [a.lstrip("-").partition("=") for a in argv if a.startswith("-")]
    paths = [value for name, _, value in given if name == "config"]
    if not isinstance(error, AttributeError | LookupError | TypeError) or not paths:
        return error
    config = flags.FLAGS["config"].parser.parse(config_path(paths[-1]))
    settings = (name for name, _, _ in given if name.startswith("config."))
    return next(filter(None, (_unknown(name, config) for name in settings)), error)


def _unknown(setting: str, section: Any) -> ConfigError | None:
    """An error if `config.A.B` is not a setting of a config of nested mappings."""
    path, *keys = setting.split(".")
    for key in keys:
        path, known = f"{path}.{key}", list(getattr(section, "keys", tuple)())
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
            return ConfigError(f"unknown setting {path}: {hint}")
        section = section[key]
    return None


def config_path(path: str) -> str:
    """The path of a config, `configs/FILE.py[:...]`, beside the package if not in this folder.

    An installed package brings its configs along, so it can be used from any folder.
    """
    file = path.partition(":")[0]
    packaged = Path(__file__).resolve().parents[2] / file
    if file.startswith("configs/") and not os.path.exists(file) and packaged.exists():
        return f"{packaged}{path[len(file) :]}"
    return path


def _with_config(argument: str) -> str:
    name, _, path = argument.partition("=")
    return f"{name}={config_path(path)}" if name in ("--config", "-config") else argument


def _call(main: Callable[[], int | None]) -> int:
    if "workdir" in flags.FLAGS:  # the commands that compile have one
        keep_programs()
    try:
        return main() or 0
    except (SignLLMError, KeyboardInterrupt) as error:
        return report(error)
    except Exception as error:
        device_error = without_device(error)
        if device_error is None:
            raise
        return report(device_error.with_traceback(error.__traceback__))


def report(error: BaseException) -> int:
    """Reports on stderr the error that ended a command, and returns its exit code."""
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
    print(f"{name}: {printable(message)}", file=sys.stderr)
    return BAD_INPUT


def required(flag: flags.FlagHolder[_Value | None]) -> _Value:
    """The value of a flag that has none by default; raises ConfigError where it is missing."""
    if not flag.value:
        raise ConfigError(f"--{flag.name} is missing")
    return flag.value


def printable(text: str) -> str:
    """The text with control characters escaped, so that a terminal shows and does not obey them."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def say(text: str) -> None:
    """Prints lines on stdout; control characters in names, texts and glosses are escaped."""
    print("\n".join(map(printable, text.split("\n"))), flush=True)


def _be_quiet() -> None:
    """Keeps XLA's start-up messages off the terminal; read when the libraries are first loaded."""
    if "--debug" not in sys.argv:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        os.environ.setdefault("GLOG_minloglevel", "3")
