"""Clips per CPU second of `launch/prepare.py`, for corpora of several sizes.

    python launch/benchmark.py prepare --clips=1e3,5e3 [--beam_python=.venv-beam/bin/python]

Spelled words are written as OpenPose writes keypoints, one file per frame, and prepared by one
process; with `--beam_python`, a Python that has Apache Beam, by Beam's DirectRunner as well. The
fixed cost of a command, its start and the loading of compiled programs, is measured with 50 clips
and subtracted before `per_cpu_second` is computed.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from launch.benchmarks.rows import numbers, row, run_command, timed

COUNTS = flags.DEFINE_list("clips", ["1e3", "5e3"], "numbers of clips of a corpus")
BEAM_PYTHON = flags.DEFINE_string("beam_python", None, "Python of an environment with Apache Beam")
FEW = 50
"""Number of clips by which the cost of a command's start is measured."""


def rows() -> Iterator[dict]:
    """Yields a row for each way and number of clips."""
    counts = sorted(numbers(COUNTS, f"give numbers above {FEW}, as 1e3,5e3", least=FEW + 1))
    ways = {"processes": (sys.executable, "--workers=1")}
    if BEAM_PYTHON.value:
        ways["beam"] = (os.path.abspath(BEAM_PYTHON.value), "--beam_runner=DirectRunner")
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary, "clips")
        write_corpus(source, counts[-1])
        for way, (python, flag) in ways.items():

            def spent(count, way=way, python=python, flag=flag):
                data_dir = Path(temporary, f"{way}-{count}")
                command = ["prepare.py", *arguments(source, count), flag, f"--data_dir={data_dir}"]
                cpu, wall, _ = timed(lambda: run_command(command, python=python))
                shutil.rmtree(data_dir)
                return cpu, wall

            spent(FEW)  # compiles, and keeps the compiled programs
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
    """Writes spelled words as OpenPose does, one folder per clip, and their manifest."""
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
