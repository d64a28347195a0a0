"""The memory of a trainer does not grow with its steps."""

import psutil
import pytest
from commands import TINY, flags, start


@pytest.mark.slow
def test_memory_is_flat_over_2000_steps(tmp_path, data_dir):
    many = {"train.steps": 2000, "eval.every": 400, "checkpoint.every": 200, "log.every": 10}
    args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path}/run"]
    args += flags(TINY | {"data.data_dir": data_dir, "data.cache_mb": 0} | many)
    command = start(tmp_path, "train", args)
    log = tmp_path / "run" / "metrics.jsonl"
    command.wait_for(lambda: log.exists())
    process = psutil.Process(command.process.pid)
    held = []  # (step, bytes)
    with log.open() as lines:
        while command.process.exitcode is None:
            steps = [line for line in lines if '"kind": "train"' in line and line.endswith("\n")]
            if steps:
                try:
                    memory = process.memory_info().rss
                except psutil.NoSuchProcess:
                    break
                step = int(steps[-1].partition('"step": ')[2].partition(",")[0])
                held.append((step, memory))
            command.process.join(0.2)
    assert command.end() == 0, command.err.read_text()
    early = [memory for step, memory in held if 400 < step <= 800]
    late = [memory for step, memory in held if step > 1600]
    assert min(len(early), len(late)) > 3
    assert max(late) - max(early) < 30e6
