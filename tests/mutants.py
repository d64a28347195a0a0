"""Changes the pure core in one place after the other, and counts the changes that tests notice.

    python tests/mutants.py --python=.venv/bin/python --count=200

Cosmic Ray changes an operator, a comparison, a number or a keyword of a module of the losses, of
reinforcement learning, of decoding or of the metrics, in a copy of the checkout; the tests of that
module that are not slow then run. Of all such changes a sample is drawn by a seed. What no test
notices is listed in docs/mutants.md with the reason that docs/mutants.json may have for it
(`make mutants`; Cosmic Ray lies in an environment of its own).
"""

import argparse
import ast
import concurrent.futures
import json
import random
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 240  # that the tests of a change may take; a loop without end is noticed by that
LEFT_OUT = re.compile(
    # jit and its like change no result; the others change next to nothing or what numbers lack
    r"RemoveDecorator|Variable|NoOp|_(LShift|RShift|BitXor)$|(Add|Sub|Mul|Div|Mod|Pow)_Bit(Or|And)$"
)
POSE_METRICS = ("test_dtw", "test_motion", "test_pose_metrics", "test_pure_metrics")
TESTS = {
    "models/losses.py": (
        "test_settings",
        "test_pure_losses",
        "test_text2pose",
        "test_robust",
        "test_reward",
        "test_text2gloss",
    ),
    "models/smoothing.py": ("test_text2pose",),
    "models/robust.py": ("test_robust",),
    "rl/clips.py": ("test_clips", "test_pure_buffer", "test_replay"),
    "rl/plc.py": ("test_settings", "test_pure_buffer", "test_plc"),
    "rl/policy.py": ("test_reward", "test_settings", "test_pure_buffer", "test_variety"),
    "rl/replay.py": ("test_pure_buffer", "test_replay", "test_plc"),
    "rl/reward.py": ("test_reward", "test_replay"),
    "rl/sampling.py": ("test_replay", "test_plc"),
    "metrics/dtw.py": POSE_METRICS,
    "metrics/frechet.py": POSE_METRICS,
    "metrics/masks.py": POSE_METRICS,
    "metrics/motion.py": POSE_METRICS,
    "metrics/pairs.py": POSE_METRICS,
    "metrics/pose_metrics.py": POSE_METRICS,
    "metrics/text_metrics.py": ("test_text_metrics", "test_tables"),
    "inference/beam_search.py": ("test_settings", "test_pure_search", "test_text2gloss"),
    "inference/pose_decoding.py": ("test_decoding", "test_seams"),
}
"""Module -> files of tests that are to notice its changes."""


HEAD = """# What the tests notice

A test that cannot fail says nothing. `make mutants` therefore changes the pure core (losses,
reinforcement learning, decoding, metrics) in one place after the other with
[Cosmic Ray](https://cosmic-ray.readthedocs.io): an operator, a comparison, a number or a keyword.
For each change it runs the tests of that module that are not slow (`TESTS` in `tests/mutants.py`),
until one fails. Places are drawn by a seed, and one change in each. Changes of types and of
decorators are left out, since they have no effect on results. A change that no test notices either
changes nothing that matters, which the last column explains, or shows what a test should be written
for. `docs/mutants.json` holds the outcomes and the reasons.
"""


class Mutant(NamedTuple):
    """A change of a module.

    Attributes:
        module: Below the package.
        line: Its number, from 1.
        code: The whole module after the change.
        change: The line before and after it.
    """

    module: str
    line: int
    code: str
    change: str


class Tried(NamedTuple):
    """What came of a change: its module and line, the line before and after, who noticed it."""

    module: str
    line: int
    change: str
    noticed: bool


def places(module: str) -> dict[tuple, list[tuple[str, int]]]:
    """Where a module can be changed: (start, end) -> operators of Cosmic Ray and which occurrence.

    Places of types are left out, since a change of them changes nothing.
    """
    source = (ROOT / "signllm_jax" / module).read_text()
    silent, nodes = _silent(ast.parse(source)), list(ast_nodes(get_ast(source)))
    found: dict[tuple, list[tuple[str, int]]] = {}
    for name in sorted(operator_names()):
        operator_class = get_operator(name)
        if LEFT_OUT.search(name) or operator_class.arguments():
            continue
        operator = operator_class()
        own = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, place in enumerate(own):
            if not any(begin <= place[0] < end for begin, end in silent):
                found.setdefault(place, []).append((name, occurrence))
    return found


def mutant(module: str, name: str, occurrence: int, line: int) -> Mutant:
    """A module after an operator of Cosmic Ray."""
    source = (ROOT / "signllm_jax" / module).read_text()
    code = mutate_code(source, get_operator(name)(), occurrence)
    old, new = (text.splitlines()[line - 1].strip() for text in (source, code))
    return Mutant(module, line, code, f"{old} -> {new}")


def _silent(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a change has no effect: types."""
    found = []
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if (told := getattr(node, name, None)) is not None:
                end = told.end_lineno, told.end_col_offset
                found.append(((told.lineno, told.col_offset), end))
    return found


def sample(count: int, seed: int) -> list[Mutant]:
    """Changes in some places of all modules, one in each place."""
    chance = random.Random(seed)
    every = [(module, *item) for module in TESTS for item in sorted(places(module).items())]
    chosen = chance.sample(every, min(count, len(every)))
    return [mutant(module, *chance.choice(ways), place[0][0]) for module, place, ways in chosen]


class Copies:
    """Copies of the checkout, one for each of several threads, in which changes are tried."""

    def __init__(self, folder: Path, python: str):
        self._folder, self._python, self._local = folder, python, threading.local()

    def noticed(self, mutant: Mutant | None, module: str) -> bool:
        """Whether the tests of a module fail, with a change or without any."""
        copy = self._copy()
        path = copy / "signllm_jax" / module
        source = path.read_text()
        try:
            path.write_text(mutant.code if mutant else source)
            tests = [f"tests/{name}.py" for name in TESTS[module]]
            command = [self._python, "-m", "pytest", "-x", "-q", "-m", "not slow and not gpu"]
            done = subprocess.run(
                [*command, "-p", "no:cacheprovider", *tests],
                cwd=copy,
                env={"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
            return done.returncode != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            path.write_text(source)

    def _copy(self) -> Path:
        if not hasattr(self._local, "copy"):
            copy = self._folder / threading.current_thread().name / ROOT.name
            listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True)
            for name in listed.stdout.decode().splitlines():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)
            beside = ROOT.parent / "shared"
            if beside.exists():
                (copy.parent / "shared").symlink_to(beside)
            self._local.copy = copy
        return self._local.copy


def table(tried: list[Tried], count: int, seed: int, reasons: dict[str, str]) -> str:
    """The table of modules, and of the changes that no test notices."""
    from signllm_jax.core import markdown

    rows = []
    for module in (*TESTS, ""):
        noticed = [change.noticed for change in tried if change.module == module or not module]
        if noticed:
            share = f"{sum(noticed) / len(noticed):.0%}"
            rows.append([module or "**all**", str(len(noticed)), str(sum(noticed)), share])
    left = [
        [
            f"`{one.module}:{one.line}`",
            f"`{one.change}`".replace("|", "\\|"),
            reasons.get(key(one), ""),
        ]
        for one in sorted(tried)
        if not one.noticed
    ]
    return "\n\n".join(
        [
            f"The first {len(tried)} of {count} changes, drawn by seed {seed}.",
            markdown.table(["module", "changes", "noticed", ""], rows),
            markdown.table(["", "change that no test notices", "why"], left),
        ]
    )


def key(change: Mutant | Tried) -> str:
    """The name of a change in the reasons, wherever its line stands."""
    return f"{change.module}: {change.change}"


def try_changes(flags: argparse.Namespace) -> list[Tried]:
    """Tries a sample of changes; of one that is stopped those that were tried."""
    python = str((ROOT / flags.python).absolute())
    chosen = sample(flags.count, flags.seed)
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory() as folder:
        copies = Copies(Path(folder), python)
        with concurrent.futures.ThreadPoolExecutor(flags.workers) as pool:
            once = [] if flags.passing else list({of: name for name, of in TESTS.items()}.values())
            broken = pool.map(lambda module: copies.noticed(None, module), once)
            if failing := [module for module, fails in zip(once, broken) if fails]:
                raise SystemExit(f"the tests of {failing[0]} fail without any change")
            results = pool.map(lambda mutant: copies.noticed(mutant, mutant.module), chosen)
            try:
                for mutant, noticed in zip(chosen, results):
                    tried.append(Tried(mutant.module, mutant.line, mutant.change, noticed))
                    outcome = "noticed" if noticed else "NOT NOTICED"
                    print(f"{len(tried)}: {outcome}: {key(mutant)}", flush=True)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
    return tried


def main() -> None:
    """Reads the arguments, tries a sample, and writes its record and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=".venv/bin/python", help="that has the tests' packages")
    parser.add_argument("--count", type=int, default=200, help="number of changes")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--workers", type=int, default=2, help="changes that are tried at a time")
    parser.add_argument("--record", default="docs/mutants.json", help="outcomes and reasons")
    parser.add_argument("--document", default="docs/mutants.md", help="page to write")
    parser.add_argument(
        "--passing",
        action="store_true",
        help="the tests are known to pass: leave out the first run",
    )
    parser.add_argument("--norun", action="store_true", help="only write the page of the record")
    flags = parser.parse_args()
    path = ROOT / flags.record
    empty = {"reasons": {}, "seed": flags.seed, "count": flags.count, "tried": []}
    record = json.loads(path.read_text()) if path.exists() else empty
    if not flags.norun:
        tried = try_changes(flags)
        record |= {
            "seed": flags.seed,
            "count": flags.count,
            "tried": [list(change) for change in tried],
        }
        path.write_text(json.dumps(record, indent=1) + "\n")
    tried = [Tried(*values) for values in record["tried"]]
    body = table(tried, record["count"], record["seed"], record["reasons"])
    (ROOT / flags.document).write_text(f"{HEAD}\n{body}\n")


if __name__ == "__main__":
    main()
