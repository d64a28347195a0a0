"""Damages the files of every reader and schema for a while: python tests/fuzz.py --minutes=20.

Each target is a process of its own, so that a crash ends that one and is counted. An input that
ends in anything but a result or an error of ours, takes longer than SECONDS, or lets the process
grow beyond MEGABYTES, is kept in build/fuzz/ and fails the run. The counts are written into
docs/security.md. It is run by hand (`make fuzz`), not by the tests.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from damage import damaged
from fuzz_targets import MEGABYTES, SCHEMAS, TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signllm_jax.core.errors import SignLLMError

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "fuzz"
PAGE = ROOT / "docs" / "security.md"
SECONDS = 20
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)
VALUES = st.recursive(
    LEAVES | st.sampled_from([10**7, -1, 2**63, "../x", "\x1b[31m", "NaN"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner),
    max_leaves=12,
)


def places(values, path=()):
    """The paths of all values."""
    yield path
    if isinstance(values, dict):
        items = values.items()
    else:
        items = enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def replaced(values, path, value):
    """A copy of the values with one of them replaced."""
    if not path:
        return value
    copy = dict(values) if isinstance(values, dict) else list(values)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


class Trial:
    """Feeds one target and counts."""

    def __init__(self, path: Path, read: Callable, until: float):
        self.path, self.read, self.until = path, read, until
        self.found = {"inputs": 0, "read": 0, "refused": 0, "slowest_seconds": 0.0}

    def feed(self, content: bytes) -> None:
        """One input; raises what is no error of ours."""
        self.path.write_bytes(content)
        self.found["inputs"] += 1
        began = time.monotonic()
        signal.alarm(SECONDS)
        try:
            self.read()
            self.found["read"] += 1
        except SignLLMError:
            self.found["refused"] += 1
        finally:
            signal.alarm(0)
        slowest = max(self.found["slowest_seconds"], time.monotonic() - began)
        self.found["slowest_seconds"] = round(slowest, 3)


def try_one(name: str, seconds: float) -> dict:
    """Feeds a target for some seconds; the input that it dies of stays where it is."""
    KEPT.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=KEPT))
    path, read = TARGETS[name](folder)
    content = path.read_bytes()
    read()  # as it was written
    began, random = memory(), np.random.default_rng()
    trial = Trial(path, read, time.monotonic() + seconds)
    schema = TARGETS[name] in SCHEMAS
    values = json.loads(content) if schema else None
    where = list(places(values)) if schema else []

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(st.sampled_from(where) if where else st.none(), VALUES)
    def wrong_value(place, value):
        if time.monotonic() < trial.until:
            trial.feed(json.dumps(replaced(values, place, value)).encode())

    while time.monotonic() < trial.until:
        if schema:
            wrong_value()
        for _ in range(100):
            if time.monotonic() < trial.until:
                trial.feed(damaged(content, random))
    found = trial.found | {"megabytes": round(memory()), "megabytes_before": round(began)}
    if memory() > MEGABYTES:
        raise MemoryError(f"{name}: {memory():.0f} MB")
    for left in sorted(folder.rglob("*"), reverse=True):
        left.rmdir() if left.is_dir() else left.unlink()
    folder.rmdir()
    return found


def memory() -> float:
    """Megabytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(found: dict[str, dict]) -> dict[str, str]:
    """The line of each target."""
    lines = {}
    for name, each in found.items():
        if "failed" in each:
            lines[name] = f"| {name} | – | – | – | – | – | {each['failed']} |"
            continue
        lines[name] = (
            f"| {name} | {each['inputs']:,} | {each['read']:,} | {each['refused']:,} | "
            f"{each['slowest_seconds']:.2f} s | {each['megabytes']} MB | no |"
        )
    return lines


def recorded() -> dict[str, str]:
    """The lines of the page as it is."""
    lines = PAGE.read_text().splitlines()
    return {name: line for line in lines if (name := line[2:].partition(" ")[0]) in TARGETS}


def table(lines: dict[str, str], minutes: float) -> str:
    """The record for the page."""
    counts = (line.split(" | ")[1].replace(",", "") for line in lines.values())
    total = sum(int(count) for count in counts if count.isdigit())
    head = [
        f"{datetime.now(UTC):%Y-%m-%d}: `make fuzz MINUTES={minutes:g}`, {total:,} inputs.",
        "",
        "| target | inputs | read | refused | slowest | peak memory | failed |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    return "\n".join([*head, *(lines[name] for name in TARGETS if name in lines)])


def main() -> int:
    """Tries all targets one after the other, or one of them (`--one`), which prints its counts."""
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("--minutes", type=float, default=20, help="of all targets together")
    flags.add_argument("--one", choices=TARGETS, help="this target alone; prints its counts")
    again = "these alone, each for its share of the minutes; the record keeps the others' lines"
    flags.add_argument("--again", nargs="+", choices=TARGETS, metavar="TARGET", help=again)
    flags.add_argument("--norecord", action="store_true", help="leaves the page as it is")
    given_ = flags.parse_args()
    if given_.one:
        print(json.dumps(try_one(given_.one, 60 * given_.minutes)))
        return 0
    found = {}
    for name in given_.again or TARGETS:
        each = given_.minutes / len(TARGETS)
        command = [sys.executable, __file__, f"--one={name}", f"--minutes={each}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found[name] = json.loads(done.stdout.splitlines()[-1])
        else:
            last = (done.stderr.strip() or "nothing said").splitlines()[-1]
            found[name] = {"failed": f"ended with {done.returncode}"}
            print(f"{name}: {last[:300]} (its input: {KEPT}/{name}-*)", file=sys.stderr)
        print(name, found[name], flush=True)
    if not given_.norecord:
        # not before: a process is told to have held what the one that started it held
        from signllm_jax.eval.results import write_readme

        lines = (recorded() if given_.again else {}) | rows(found)
        write_readme(str(PAGE), table(lines, given_.minutes), "fuzz")
    return any("failed" in each for each in found.values())


if __name__ == "__main__":
    os.environ.setdefault("SIGNLLM_CACHE_DIR", "")
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
