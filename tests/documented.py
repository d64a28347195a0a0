"""Runs the commands that the documentation shows, in bash, on small models and for few steps.

A page's blocks run as they stand, in a folder that looks like a checkout, with the packages and the
programs that `make install` brings (installed.py). There `python` is this file, which hands
`launch/*.py` to the processes of commands.py with flags that make them cheap.
"""

import ast
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from multiprocessing.connection import Client, Listener
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PYTHON = re.compile(r"(?:\S*/)?python launch/(\w+)\.py\b(.*)")
SMALL = {  # sizes of any model
    "model.width": 16,
    "model.heads": 2,
    "model.mlp": 16,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.progress_features": 4,
    "train.steps": 2,
    "eval.every": 2,
    "eval.clips": 1,
    "eval.max_frames": 32,
    "eval.report": False,
    "log.progress": False,
}
CHEAP = {
    "train": [f"--config.{name}={value}" for name, value in SMALL.items()],
    "prepare": ["--workers=1"],
}
"""Command -> flags that are put behind the documented ones."""
SPELLED = r"--config=configs/(mlsf|prompt2langgloss|back_translation)\.py"
"""Configs that would train four languages."""


def blocks(page: Path, kind: str = "bash") -> list[str]:
    """The fenced blocks of a page."""
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", page.read_text("utf-8"))


def shown(page: Path) -> list[tuple[str, list[str]]]:
    """Every command of launch/ that a page shows, in blocks and in sentences: (name, arguments).

    Loops and variables of a block are left as they are.
    """
    text = page.read_text("utf-8").replace("\\\n", " ")
    fenced = re.findall(r"(?ms)^```bash\n(.*?)^```", text)
    rest = re.sub(r"(?ms)^```.*?^```", "", text)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]*python [^`]*)`", rest)]
    found = []
    for line in lines:
        if match := PYTHON.search(line):
            rest = match[2].removesuffix('"') if match[2].count('"') % 2 else match[2]
            found.append((match[1], shlex.split(rest, comments=True)))
    return found


def check_flags(name: str, args: list[str]) -> None:
    """Asserts that a command has the flags it is shown with, and that its config can be read."""
    from signllm_jax.core.config import read_config

    source = ROOT / "launch" / f"{name}.py"
    listed = runpy.run_path(str(ROOT / "docs" / "commands.py"))["flags"]
    sources = [source]
    if name == "benchmark":
        sources += [ROOT / "launch" / "benchmarks" / f"{args.pop(0)}.py"]
        sources += [ROOT / "launch" / "benchmarks" / "lift.py"]  # whose flags lift_quality has
    if name == "study":
        assert (ROOT / "launch" / "studies" / f"{args.pop(0)}.py").is_file()
    known = {flag[0] for path in sources for flag in listed(ast.parse(path.read_text("utf-8")))}
    given, changes = {}, {}
    for arg in args:
        if arg in ("FLAGS", ";", "&", "done"):
            continue
        assert arg.startswith("--"), f"launch/{name}.py: {arg}"
        flag, _, value = arg[2:].partition("=")
        if flag.startswith("config."):
            changes[flag.removeprefix("config.")] = value
        else:
            assert flag in known | {"help", "debug"}, f"launch/{name}.py has no --{flag}"
            given[flag] = value
    if "config" in given:
        path, _, arg = given["config"].partition(":")
        config = runpy.run_path(str(ROOT / path))["get_config"](*filter(None, [arg]))
        for key, value in changes.items():
            *sections, last = key.split(".")
            place = config
            for section in sections:
                place = place[section]
            if "$" not in value:
                place[last] = value if isinstance(place[last], str) else ast.literal_eval(value)
        read_config(config.to_dict())


class QuickReader:
    """A hook of commands.py: readers of letters are trained for two steps, and found fit."""

    def arm(self):
        from signllm_jax.eval import evaluators, pose_report
        from signllm_jax.eval.back_translate import ReaderConfig

        pose_report.evaluate.__kwdefaults__["reader_config"] = ReaderConfig(steps=2)
        evaluators.UNFIT |= {"cer": float("inf"), "wer": float("inf")}


class Checkout:
    """A folder like a checkout, in which documented blocks can run.

    Attributes:
        folder: the working directory.
        ran: (command, arguments) of all that was run.
    """

    def __init__(self, folder: Path, data_dir: Path):
        import installed  # not above: in blocks this file is `python` and has to be quick

        self.folder, self.ran = folder, []
        folder.mkdir()
        for name in ("configs", "launch", "signllm_jax", "tfds_builders", "tests"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "docs", folder / "docs")
        shutil.copy(ROOT / "README.md", folder)
        shared = ROOT.parent / "shared"
        if shared.is_dir():
            (folder.parent / "shared").symlink_to(shared)
        for place in (folder / ".venv" / "bin", folder / "bin"):
            place.mkdir(parents=True)
            stub = place / "python"
            stub.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {__file__} "$@"\n')
            stub.chmod(0o755)
        for name in installed.programs():
            program = Path(sys.executable).parent / name
            if program.exists() and not (folder / "bin" / name).exists():
                (folder / "bin" / name).symlink_to(program)
        self._hides = installed.OnlyInstalled(installed.hidden())
        self._site = folder.parent / "site"
        self._site.mkdir()
        (self._site / "sitecustomize.py").write_text(
            f"import sys\nsys.path.append({str(ROOT / 'tests')!r})\n"
            f"import installed\ninstalled.OnlyInstalled({self._hides.modules!r}).arm()\n"
        )
        self._listener = Listener(str(folder.parent / "socket"), "AF_UNIX")
        self._env = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "SIGNLLM_DATA_DIR": str(data_dir),
            "SOCKET": self._listener.address,
            "HOME": str(folder.parent),
        }
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Ends the thread that serves `python`."""
        with Client(self._listener.address) as last:
            last.send(None)
        self._listener.close()

    def run(self, block: str) -> str:
        """Runs a block and returns what it printed; raises AssertionError when a line fails."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self):
        while True:
            with self._listener.accept() as asked:
                request = asked.recv()
                if request is None:
                    return
                try:
                    answer = self._answer(*request)
                except Exception as error:  # the thread goes on, or all later blocks would wait
                    answer = 1, "", f"{type(error).__name__}: {error}\n"
                asked.send(answer)

    def _answer(self, cwd, env, args):
        import commands

        if not args or not args[0].startswith("launch/"):
            command = [sys.executable, *args]
            env = env | {"PYTHONPATH": f"{self._site}:{ROOT}"}
            done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr
        name = Path(args[0]).stem
        args = args[1:] + ([] if "--check" in args else CHEAP.get(name, []))
        own_size = any(arg.startswith(("--config.mesh", "--config.data.languages")) for arg in args)
        if any(re.fullmatch(SPELLED, arg) for arg in args) and not own_size:
            args.append("--config.data.languages=('asl',)")
        self.ran.append((name, args))
        own = {key: env[key] for key in env if key.startswith("SIGNLLM_")}
        if name == "train":
            own["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        if any(arg.startswith("--config.mesh.") for arg in args):
            own["JAX_NUM_CPU_DEVICES"] = "8"
        hook = (self._hides, *([QuickReader()] if name == "evaluate" else []))
        running = commands.start(self.folder.parent, name, args, hook=hook, cwd=Path(cwd), env=own)
        return running.end(900), running.out.read_text(), running.err.read_text()


def _ask() -> int:
    """What `python` is in a block: asks the test to run it, and prints what it printed."""
    import os

    with Client(os.environ["SOCKET"]) as asked:
        asked.send((os.getcwd(), dict(os.environ), sys.argv[1:]))
        code, out, err = asked.recv()
    sys.stdout.write(out)
    sys.stderr.write(err)
    return code


if __name__ == "__main__":
    sys.exit(_ask())
