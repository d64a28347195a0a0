"""The ablation of reinforcement learning: launch/ablation.py [--workdir=DIR] [--docs=docs]."""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from signllm_jax import cli

CONFIG = config_flags.DEFINE_config_file(
    "config", cli.config_path("configs/ablation.py"), "the study's config"
)
WORKDIR = flags.DEFINE_string("workdir", "runs/ablation", "where the runs' results lie")
DOCS = flags.DEFINE_string("docs", "docs", "where replay.md and replay.png are written")
RUN = flags.DEFINE_boolean("run", True, "run what is missing; else write of what is there")


def main() -> None:
    """Runs the settings that are missing and writes the table and the figure."""
    from configs import ablation
    from signllm_jax.ablation import report
    from signllm_jax.ablation.study import Study
    from signllm_jax.config import read_config

    config = read_config(CONFIG.value.to_dict())
    study = Study(config, ablation.SETTINGS, ablation.FINETUNE, Path(WORKDIR.value))
    if RUN.value:
        study.run(lambda line: print(line, flush=True))
    print(report.write(study, Path(DOCS.value)))


if __name__ == "__main__":
    cli.run(main)
