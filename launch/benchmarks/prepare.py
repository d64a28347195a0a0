"""Clips by a CPU second of `launch/prepare.py`, for corpora of several sizes.

    python launch/benchmark.py prepare --clips=1e3,5e3 [--beam_python=.venv-beam/bin/python]

Spelled words are written as OpenPose writes keypoints, a file a frame, and prepared by one process;
with `--beam_python`, a Python that has Apache Beam, by Beam's DirectRunner as well. What a command
costs whatever the corpus, its start and loading what was compiled, is measured with 50 clips and
left out of `per_cpu_second`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from launch.benchmarks.rows import row, timed
from signllm_jax.core.errors import ConfigError

COUNTS = flags.DEFINE_list("clips", ["1e3", "5e3"], "numbers of clips of a corpus")
BEAM_PYTHON = flags.DEFINE_string("beam_python", None, "Python of an environment with Apache Beam")
ROOT = Path(__file__).resolve().parents[2]
FEW = 50
"""Number of clips by which the cost of a command's start is measured."""


def rows() -> Iterator[dict]:
    """A row for each way and number of clips; raises ConfigError on a number that is too small."""
    try:
        counts = sorted(int(float(value)) for value in COUNTS.value)
    except (ValueError, OverflowError):
        counts = []
    if not counts or counts[0] <= FEW:
        raise ConfigError(f"--clips={','.join(COUNTS.value)}: give numbers above {FEW}, as 1e3,5e3")
    ways = {"processes": (sys.executable, ["--workers=1"])}
    if BEAM_PYTHON.value:
        ways["beam"] = (BEAM_PYTHON.value, ["--beam_runner=DirectRunner"])
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "clips")
        write_corpus(source, counts[-1])
        for way, (python, own) in ways.items():

            def spent(count, way=way, python=python, own=own):
                data_dir = Path(temporary, f"{way}-{count}")
                command = [python, str(ROOT / "launch" / "prepare.py"), *arguments(source, count)]
                cpu, wall, _ = timed(lambda: _run([*command, *own, f"--data_dir={data_dir}"]))
                shutil.rmtree(data_dir)
                return cpu, wall

            spent(FEW)  # compiles, and keeps what it compiled
            start = spent(FEW)
            for count in counts:
                cpu, wall = (total - begun for total, begun in zip(spent(count), start))
                more = {"rounds": 1, "start": start[0]}
                yield row("prepare", way, cpu, wall, count - FEW, "clips", **more)


def arguments(source: Path, limit: int) -> list[str]:
    """Flags of `launch/prepare.py` for the first clips of `write_corpus`."""
    return [
        f"--source={source}",
        "--format=openpose",
        f"--manifest={source}/index.csv",
        "--language=asl",
        "--name=made",
        "--fps=25",
        f"--limit={limit}",
    ]


def write_corpus(folder: Path, count: int) -> None:
    """Spelled words as OpenPose writes them, a folder a clip, with their manifest."""
    from signllm_jax.corpora.fingerspelling import spelled_clip, words
    from signllm_jax.poses.openpose import write_openpose

    folder.mkdir()
    chosen = words("asl")["train"]
    table = ["id,text,split"]
    for number in range(count):
        word = chosen[number % len(chosen)]
        write_openpose(folder / f"clip{number}", spelled_clip(word, "asl"))
        table.append(f"clip{number},{word},train")
    (folder / "index.csv").write_text("\n".join([*table, ""]), "utf-8")


def _run(command: list[str]) -> int:
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{' '.join(command)} failed: {done.stderr[-500:]}")
    return 1
