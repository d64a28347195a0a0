"""The ablation of reinforcement learning: launch/ablation.py [--workdir=DIR] [--docs=docs]."""

from pathlib import Path

from absl import flags
from ml_collections import config_flags

from signllm_jax.core import cli

CONFIG = config_flags.DEFINE_config_file(
    "config", cli.config_path("configs/ablation.py"), "the study's config"
)
WORKDIR = flags.DEFINE_string("workdir", "runs/ablation", "folder of the runs with a workdir")
DOCS = flags.DEFINE_string(
    "docs", "docs", "where replay.md and replay.png are written, from what lies in replay/"
)
RUN = flags.DEFINE_boolean("run", True, "run what is missing; else write of what is there")
RUNS = flags.DEFINE_integer("runs", None, "stop after so many runs", lower_bound=1)
STAGES = ("dev", "clean", "test", "finetune-dev", "finetune-test", "draws", "reader")
CHOSEN = flags.DEFINE_multi_enum("stage", STAGES, STAGES, "which runs; by default all")
DEMO = flags.DEFINE_list("demo", [], "evaluated runs of configs/mlsf.py to compare")


def main() -> None:
    """Runs the settings that are missing and writes the table and the figure."""
    from configs import ablation
    from launch.studies import report, whole_runs
    from launch.studies.records import Records
    from launch.studies.study import Study
    from signllm_jax.core.config import read_config

    docs = Path(DOCS.value)
    runs = {name: getattr(ablation, name)() for name in ("prompted", "demo", "sampled", "signers")}
    study = Study(
        config=read_config(CONFIG.value.to_dict()),
        settings=ablation.SETTINGS,
        controls=ablation.CONTROLS,
        finetune=ablation.FINETUNE,
        finetune_steps=ablation.FINETUNE_STEPS,
        reader_ways=ablation.READER_WAYS,
        **{name: read_config(values.to_dict()) for name, values in runs.items()},
        records=Records(docs / "replay" / "runs.jsonl"),
        folder=Path(WORKDIR.value),
    )
    for workdir in DEMO.value:
        study.records.add("demo", whole_runs.of_demo(Path(workdir)))
    if RUN.value:
        study.run(lambda line: print(line, flush=True), CHOSEN.value, RUNS.value)
    print(report.write(study, docs))


if __name__ == "__main__":
    cli.run(main)
