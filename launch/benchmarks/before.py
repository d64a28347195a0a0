"""This checkout beside an earlier one of the project, in one run and in turns.

    git worktree add --detach build/before 1c9e04f
    python launch/benchmark.py before --checkout=build/before --compared=demo --rounds=1
    python launch/benchmark.py before --checkout=build/before --compared=decode,prepare,serve

`decode` generates clips of 300 frames at the size of Progressive Transformers; the earlier checkout
has only the autoregressive decoder, which is compared with both of ours. `prepare` prepares clips
of OpenPose keypoints; the start of the command is not counted. `demo` trains and evaluates
`configs/mlsf.py` in the earlier checkout and in ours, where `--demo_flags` may change it, with
another seed in every round. It leaves the runs of both in `--work` and yields the figures of their
reports. `serve` asks each server for the words of eight clients at once: the earlier one with its
demo, ours with the shipped model and with our demo. Rates are per CPU second. A row has our rate
divided by the earlier one of the same round.
"""

import collections
import contextlib
import functools
import itertools
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from absl import flags

from launch.benchmarks import rounds
from launch.benchmarks.prepare import arguments, write_corpus
from launch.benchmarks.rows import ROOT, earlier_row, run_command, timed
from launch.benchmarks.serve import CLIENTS_AT_ONCE, Served, made_words
from signllm_jax.core.errors import ConfigError

CHECKOUT = flags.DEFINE_string("checkout", None, "folder of the earlier checkout")
CHOSEN = flags.DEFINE_list(
    "compared", ["decode", "prepare"], "comparisons: decode, prepare, demo, and serve after demo"
)
DEMO_FLAGS = flags.DEFINE_string(
    "demo_flags", "--config=configs/mlsf.py", "flags of our demo, in one string"
)
PREPARED = flags.DEFINE_integer("prepared", 200, "number of clips that are prepared", 10)
WORK = flags.DEFINE_string("work", "runs/before", "folder of the demo's runs")
FRAMES, WORDS = 300, 100


def rows() -> Iterator[dict]:
    """Yields the rows of each comparison; raises ConfigError where there is no checkout."""
    earlier = Path(CHECKOUT.value or "").resolve()
    if not CHECKOUT.value or not (earlier / "launch" / "train.py").exists():
        raise ConfigError(f"--checkout={CHECKOUT.value or ''}: no checkout of the project there")
    for name in CHOSEN.value:
        if name not in COMPARED:
            raise ConfigError(f"--compared={name}: known are {', '.join(COMPARED)}")
        yield from COMPARED[name](earlier, rounds.ROUNDS.value)


def _decode(earlier: Path, times: int) -> Iterator[dict]:
    rates: dict[tuple[Path, str], list[float]] = collections.defaultdict(list)
    size = ["--like=progressive_transformers", f"--frames={FRAMES}", "--clips=1,8", "--rounds=1"]
    for _ in range(times):
        for checkout, variants in ((ROOT, ",".join(DECODERS)), (earlier, "cached")):
            command = ["benchmark.py", "decode", *size, f"--variants={variants}"]
            for line in filter(None, run_command(command, checkout).splitlines()):
                row = json.loads(line)
                rates[checkout, row["variant"]].append(row["per_cpu_second"])
    for count, (variant, name) in itertools.product((1, 8), DECODERS.items()):
        ours = rates[ROOT, f"{variant}-{FRAMES}-{count}"]
        before = rates[earlier, f"cached-{FRAMES}-{count}"]
        yield earlier_row(f"{name}-{count}", ours, before, "frames")


DECODERS = {"cached": "decode", "parallel": "decode-parallel", "patches": "decode-patches"}
"""Variant of `decode.py` -> name of its row."""


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
    """Clips per CPU second, from the difference between many clips and a tenth of them."""
    rates: dict[Path, list[float]] = {ROOT: [], earlier: []}
    count = PREPARED.value
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "clips")
        write_corpus(source, count)
        for number in range(times):
            for checkout, measured in rates.items():
                spent = []
                for limit in (count, count // 10):
                    data_dir = Path(temporary, f"{checkout.name}-{number}-{limit}")
                    command = ["prepare.py", *arguments(source, limit), "--workers=1"]
                    command += [f"--data_dir={data_dir}"]
                    spent.append(timed(functools.partial(run_command, command, checkout))[0])
                measured.append((count - count // 10) / (spent[0] - spent[1]))
    yield earlier_row("prepare", rates[ROOT], rates[earlier], "clips")


def _demo(earlier: Path, times: int) -> Iterator[dict]:
    """Whole commands, each version with its own data; the rates are demos per CPU second."""
    turns = {"ours": (ROOT, DEMO_FLAGS.value.split()), "before": (earlier, [DEMO])}
    rates: dict[str, list[float]] = {name: [] for name in turns}
    signed: dict[str, list[Mapping]] = {name: [] for name in turns}
    for seed in range(times):
        for name, (checkout, options) in turns.items():
            folder = Path(WORK.value, f"{name}-{seed}").resolve()
            if folder.exists():
                raise ConfigError(f"{folder}: is there already, and a run would go on from it")
            command = ["train.py", *options, f"--config.train.seed={seed}", f"--workdir={folder}"]
            data = str(folder.with_name(f"data-{folder.name}"))
            run = functools.partial(run_command, command, checkout, SIGNLLM_DATA_DIR=data)
            rates[name].append(1 / timed(run)[0])
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
"""Figures of a report that describe the demos' signing."""
DEMO = "--config=configs/mlsf.py"
COMPARED: Mapping[str, Callable[[Path, int], Iterator[dict]]] = {
    "decode": _decode,
    "serve": _serve,
    "prepare": _prepare,
    "demo": _demo,
}
"""Name -> the function that measures it in turns and yields its rows."""
