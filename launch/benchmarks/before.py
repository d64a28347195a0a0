"""This checkout beside an earlier one of the project, in one run and in turns.

    git worktree add --detach build/before 1c9e04f
    python launch/benchmark.py before --checkout=build/before --compared=demo --rounds=1
    python launch/benchmark.py before --checkout=build/before --compared=decode,prepare,serve

`decode` generates clips of 300 frames at the size of Progressive Transformers; the earlier checkout
has the autoregressive decoder alone, which is compared with both of ours. `prepare` prepares clips
of OpenPose keypoints, the start of the command apart. `demo` trains and evaluates `configs/mlsf.py`
in the earlier checkout and in ours, where `--demo_flags` may change it, with another seed in every
round; it leaves the runs of both in `--work`, and yields what their reports say of the signing.
`serve` asks each server for the words of eight clients at once: the earlier one with its demo, ours
with the shipped model and with our demo. Rates are by CPU second. A row has our rate divided by the
earlier one of the same round.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from absl import flags

from launch.benchmarks import rounds
from launch.benchmarks.prepare import arguments, write_corpus
from launch.benchmarks.rows import earlier_row, timed
from launch.benchmarks.serve import CLIENTS_AT_ONCE, Served, made_words
from signllm_jax.core.errors import ConfigError

CHECKOUT = flags.DEFINE_string("checkout", None, "of before: folder of the earlier checkout")
CHOSEN = flags.DEFINE_list(
    "compared", ["decode", "prepare"], "of before: decode, prepare, demo, and serve after demo"
)
DEMO_FLAGS = flags.DEFINE_string(
    "demo_flags", "--config=configs/mlsf.py", "of before: flags of our demo, in one string"
)
PREPARED = flags.DEFINE_integer("prepared", 200, "of before: clips that are prepared", 10)
WORK = flags.DEFINE_string("work", "runs/before", "of before: where the demo's runs are kept")
ROOT = Path(__file__).resolve().parents[2]
FRAMES, WORDS = 300, 100


def rows() -> Iterator[dict]:
    """Yields a row of each comparison; raises ConfigError where there is no checkout."""
    earlier = Path(CHECKOUT.value or "").resolve()
    if not CHECKOUT.value or not (earlier / "launch" / "train.py").exists():
        raise ConfigError(f"--checkout={CHECKOUT.value or ''}: no checkout of the project there")
    for name in CHOSEN.value:
        if name not in COMPARED:
            raise ConfigError(f"--compared={name}: known are {', '.join(COMPARED)}")
        yield from COMPARED[name](earlier, rounds.ROUNDS.value)


def _run(checkout: Path, command: Sequence[str], **variables: str) -> str:
    """Standard output of a command of a checkout; raises ConfigError where it fails.

    Args:
        checkout: Folder of the project.
        command: A file of `launch/` and its arguments.
        variables: Of the environment, beside those that there are.
    """
    environment = dict(os.environ, PYTHONPATH=str(checkout), **variables)
    arguments = [sys.executable, str(checkout / "launch" / command[0]), *command[1:]]
    done = subprocess.run(
        arguments, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"{checkout}: {' '.join(command)} failed: {done.stderr[-500:]}")
    return done.stdout


def _decode(earlier: Path, times: int) -> Iterator[dict]:
    own: dict[str, list[float]] = {}
    old: dict[str, list[float]] = {}
    size = ["--like=progressive_transformers", f"--frames={FRAMES}", "--clips=1,8", "--rounds=1"]
    turns = ((ROOT, "cached,parallel,patches", own), (earlier, "cached", old))
    for _ in range(times):
        for checkout, variants, rates in turns:
            out = _run(checkout, ["benchmark.py", "decode", *size, f"--variants={variants}"])
            for line in filter(None, out.splitlines()):
                row = json.loads(line)
                rates.setdefault(row["variant"], []).append(row["per_cpu_second"])
    for count in (1, 8):
        before = old[f"cached-{FRAMES}-{count}"]
        for ours, name in DECODERS.items():
            rates = own[f"{ours}-{FRAMES}-{count}"]
            yield earlier_row(f"{name}-{count}", rates, before, "frames")


DECODERS = {"cached": "decode", "parallel": "decode-parallel", "patches": "decode-patches"}
"""Variants of `decode.py`, and what their rows are called."""


def _serve(earlier: Path, times: int) -> Iterator[dict]:
    fresh = made_words(5, 3 * WORDS * (times + 1))
    work = Path(WORK.value).resolve()
    kinds = {
        "before": (earlier, work / "before-0"),
        "ours": (ROOT, None),
        "demo": (ROOT, work / "ours-0"),
    }
    for _, run in kinds.values():
        if run is not None and not run.exists():
            raise ConfigError(f"--compared=serve: no {run}: run --compared=demo first")
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(Served(workdir, checkout))
            for name, (checkout, workdir) in kinds.items()
        }
        for number in range(times + 1):
            for name, server in servers.items():
                began = server.cpu()
                server.ask_all(fresh, WORDS, CLIENTS_AT_ONCE)
                if number:  # the first round warms up
                    rates[name].append(WORDS / (server.cpu() - began))
    yield earlier_row("serve", rates["ours"], rates["before"], "words")
    yield earlier_row("serve-demo", rates["demo"], rates["before"], "words")


def _prepare(earlier: Path, times: int) -> Iterator[dict]:
    """Clips by a CPU second, of the difference between many clips and a tenth of them."""
    rates: dict[Path, list[float]] = {ROOT: [], earlier: []}
    count = PREPARED.value
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "clips")
        write_corpus(source, count)
        for number in range(times):
            for checkout, found in rates.items():
                spent = []
                for limit in (count, count // 10):
                    data_dir = Path(temporary, f"{checkout.name}-{number}-{limit}")
                    command = ["prepare.py", *arguments(source, limit), "--workers=1"]
                    command += [f"--data_dir={data_dir}"]
                    spent.append(timed(lambda c=checkout, a=command: _run(c, a))[0])
                found.append((count - count // 10) / (spent[0] - spent[1]))
    yield earlier_row("prepare", rates[ROOT], rates[earlier], "clips")


def _demo(earlier: Path, times: int) -> Iterator[dict]:
    """Whole commands, each version with data of its own; the rates are demos by a CPU second."""
    turns = {"ours": (ROOT, DEMO_FLAGS.value.split()), "before": (earlier, [DEMO])}
    rates: dict[str, list[float]] = {name: [] for name in turns}
    signed: dict[str, list[Mapping]] = {name: [] for name in turns}
    for seed in range(times):
        for name, (checkout, own) in turns.items():
            folder = Path(WORK.value, f"{name}-{seed}").resolve()
            if folder.exists():
                raise ConfigError(f"{folder}: is there already, and a run would go on from it")
            command = ["train.py", *own, f"--config.train.seed={seed}", f"--workdir={folder}"]
            data = str(folder.with_name(f"data-{folder.name}"))
            spent = timed(lambda c=checkout, a=command, d=data: _run(c, a, SIGNLLM_DATA_DIR=d))[0]
            rates[name].append(1 / spent)
            signed[name].append(json.loads((folder / "report.json").read_text())["overall"])
    yield earlier_row("demo", rates["ours"], rates["before"], "demos")
    for name, reports in signed.items():
        row = {"benchmark": "demos", "variant": name, "seeds": times}
        for metric in METRICS:
            values = [report[metric] for report in reports]
            deviation = statistics.stdev(values) if times > 1 else 0.0
            row |= {metric: statistics.fmean(values), f"{metric}_deviation": deviation}
        yield row


METRICS = ("cer", "dtw_mean_pose_ratio", "hand_travel_ratio")
"""Of a report: what is said of the demos' signing."""
DEMO = "--config=configs/mlsf.py"
COMPARED: Mapping[str, Callable[[Path, int], Iterator[dict]]] = {
    "decode": _decode,
    "serve": _serve,
    "prepare": _prepare,
    "demo": _demo,
}
"""Name -> what measures it in turns and yields its rows."""
