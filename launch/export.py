"""Copies a run's groups out, with a model card: launch/export.py --workdir=DIR --output=DIR.

`--stored=int8` makes them a quarter as large; `--evaluate` writes into the card what that costs.
"""

import shutil
import tempfile
from pathlib import Path

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run")
OUTPUT = flags.DEFINE_string("output", None, "folder to make")
LANGUAGES = flags.DEFINE_list("languages", [], "codes of the groups to copy, by default all")
STORED = flags.DEFINE_enum(
    "stored", None, ("float32", "int8"), "how parameters are stored, by default as they lie there"
)
EVALUATE = flags.DEFINE_boolean(
    "evaluate", False, "evaluate what is stored, for the card; the run's report stands beside it"
)
COMMAND = flags.DEFINE_string("command", "", "command that makes this export, for the card")


def main() -> None:
    """Reads the flags, writes the export, and prints its digest."""
    from signllm_jax.artifacts.export import export_run

    workdir, output = cli.required(WORKDIR), cli.required(OUTPUT)
    evaluate = measure if EVALUATE.value else None
    made = export_run(workdir, output, LANGUAGES.value, STORED.value or "", evaluate, COMMAND.value)
    print(f"{output}: {', '.join(made['languages'])}; sha256 {made['sha256']}")


def measure(folder: Path) -> dict[str, dict]:
    """The figures of an export's languages on their test split, by the readers of the run."""
    from signllm_jax.artifacts.model_card import figures
    from signllm_jax.artifacts.workdir import Workdir
    from signllm_jax.eval.dispatch import evaluate_run

    readers = Path(cli.required(WORKDIR)) / "reader"
    with tempfile.TemporaryDirectory(prefix="signllm_jax-") as temporary:
        run = Workdir(Path(temporary) / "run")  # evaluation keeps its readers beside the model
        shutil.copytree(folder, run.path)
        if readers.is_dir():
            shutil.copytree(readers, run.path / "reader")
        _, languages = run.read_config()
        report = Path(temporary) / "report.json"
        evaluate_run(run.path, output=report, samples=0)
        return figures(run, (*run.read_kept(), *languages), report)


if __name__ == "__main__":
    cli.run(main)
