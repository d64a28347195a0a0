"""Trains: python launch/train.py --config=configs/mlsf.py[:DATASET[,SIZE]] [--workdir=DIR]."""

import os
import sys

from absl import flags
from ml_collections import config_flags

from signllm_jax.core import cli

CONFIG = config_flags.DEFINE_config_file("config", None, "configs/FILE.py[:DATASET[,SIZE]]")
WORKDIR = flags.DEFINE_string(
    "workdir", None, "where the run lies; by default runs/<config>-<dataset>-<size>"
)
EXTEND_FROM = flags.DEFINE_string(
    "extend-from", None, "a trained run of MLSF, whose languages are taken along as they are"
)
COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, where jax asks")
PROCESSES = flags.DEFINE_integer("processes", None, "how many processes train together")
PROCESS = flags.DEFINE_integer("process", None, "which of them this is, from 0")


def main() -> int:
    """Joins the hosts of the run, if there are several, and trains with them."""
    from signllm_jax.core.memory import keep_freed
    from signllm_jax.parallel import hosts

    keep_freed()
    with hosts.together(COORDINATOR.value, PROCESSES.value, PROCESS.value, cli.report):
        return train_and_report()


def train_and_report() -> int:
    """Reads the flags, trains, and writes the test report when the run is complete."""
    from signllm_jax.artifacts.run_files import steps_done
    from signllm_jax.core.config import read_config
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.parallel import hosts
    from signllm_jax.train.loop import train

    if CONFIG.value is None:
        raise ConfigError("--config is missing, for example --config=configs/mlsf.py")
    if EXTEND_FROM.value:
        CONFIG.value.extend_from = EXTEND_FROM.value
    config = read_config(CONFIG.value.to_dict())
    name = "-".join((config.name, config.data.dataset.replace("/", "-"), config.size))
    workdir = WORKDIR.value or os.path.join("runs", name)
    before = steps_done(workdir)
    final = train(config, workdir)
    if final is None:
        return cli.STOPPED
    if not hosts.is_first():
        return 0
    done = f"trained {final['step']} steps in {final['seconds']:.0f} s"
    if before == final["step"]:
        done = f"nothing left to train ({before} of {before} steps)"
    print(f"{done}: {workdir}/final.json")
    if config.eval.report and "://" in workdir:
        print("report: copy the work directory from the bucket and run launch/evaluate.py on it")
    elif config.eval.report:
        from signllm_jax.eval.dispatch import evaluate_run

        cli.say(evaluate_run(workdir))
        print(f"report: {workdir}/report.json")
        if os.path.isdir(os.path.join(workdir, "samples")):
            print(f"clips: {workdir}/samples/")
    for line in next_steps(config, workdir):
        print(line)
    return 0


def next_steps(config, workdir: str) -> list[str]:
    """What a user may do with a trained run, as commands."""
    from signllm_jax.core.tasks import get_info
    from signllm_jax.data.splits import languages

    if not get_info(config.task).makes_poses or "://" in workdir:
        return []
    code = (config.data.languages or languages(config.data.dataset, config.data.data_dir))[0]
    python = os.path.relpath(sys.executable) if sys.executable else "python"
    python = min(python, sys.executable, key=len)
    return [
        "next:",
        f"  {python} launch/produce.py --workdir={workdir} --language={code} --text=hello "
        "--output=hello.mp4",
        f"  {python} launch/serve.py --workdir={workdir}    # a page in the browser",
    ]


if __name__ == "__main__":
    cli.run(main)
