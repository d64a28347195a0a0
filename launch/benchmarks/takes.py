"""How well readers read new takes of signs that they were trained on.

    python launch/benchmark.py takes --signs=DIR [--seeds=3] [--work=DIR]

DIR has `index.csv` (path, language, text, gloss) and MediaPipe `.pose` clips, several takes of a
sign named `..._NN`. Takes 3 and 8 are dev, 4 and 9 test, all others and clips without a take train.
One run of `configs/back_translation.py` a seed; a row is its report on test.
"""

import contextlib
import csv
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from absl import flags

from configs.back_translation import get_config
from launch.benchmarks.rows import clocks, row, since
from signllm_jax.core.config import read_config
from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.prepare import Settings
from signllm_jax.data.prepare_corpus import prepare_corpus
from signllm_jax.eval.reading_report import evaluate
from signllm_jax.train.loop import train

SIGNS = flags.DEFINE_string("signs", None, "folder of the clips with their index.csv")
LANGUAGES = flags.DEFINE_list("languages", ["ksl", "tsl"], "languages to read, side by side")
SEEDS = flags.DEFINE_integer("seeds", 3, "number of runs", lower_bound=1)
WORK = flags.DEFINE_string("work", None, "folder of the runs; by default they are not kept")
STEPS = flags.DEFINE_integer("steps", 600, "steps of each run", lower_bound=1)


def take_split(name: str) -> str:
    """The split of a clip by the take that its name ends in: `car_03` -> `dev`."""
    take = re.search(r"_(\d\d)$", name)
    return {3: "dev", 4: "test"}.get(int(take.group(1)) % 5, "train") if take else "train"


def write_manifest(signs: Path, languages: list[str], target: Path) -> None:
    """Writes the manifest of the clips with their splits; raises DataError without an index."""
    try:
        with open(signs / "index.csv", encoding="utf-8", newline="") as file:
            listed = [line for line in csv.DictReader(file) if line["language"] in languages]
    except (OSError, KeyError) as error:
        raise DataError(f"{signs}: no readable index.csv ({error})") from None
    with open(target, "w", encoding="utf-8", newline="") as file:
        columns = ["path", "text", "gloss", "language", "split"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        splits = (take_split(line["path"].removesuffix(".pose")) for line in listed)
        writer.writerows(line | {"split": split} for line, split in zip(listed, splits))


def rows() -> Iterator[dict]:
    """Yields a row for each seed: accuracy on the held-out takes, beside trivial baselines."""
    if not SIGNS.value:
        raise ConfigError("--signs is missing: a folder of clips with their index.csv")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(WORK.value or folder)
        work.mkdir(parents=True, exist_ok=True)
        signs, manifest = Path(SIGNS.value), work / "takes.csv"
        write_manifest(signs, LANGUAGES.value, manifest)
        for code in LANGUAGES.value:
            prepare_corpus(Settings(code, "takes", "pose"), signs, work / "data", manifest=manifest)
        for seed in range(SEEDS.value):
            with contextlib.redirect_stdout(sys.stderr):  # only rows go to standard output
                row = _run(work, seed)
            yield row


def _run(work: Path, seed: int) -> dict:
    values = get_config("prompt2sign").to_dict()
    values["data"] |= {"data_dir": str(work / "data"), "languages": tuple(LANGUAGES.value)}
    values["train"] |= {"seed": seed, "steps": STEPS.value}
    began = clocks()
    train(read_config(values), work / f"seed-{seed}")
    report = evaluate(work / f"seed-{seed}", "test")
    overall, evaluator = report["overall"], report["run"]["evaluators"][0]
    return row("takes", f"seed {seed}", *since(began), overall["clips"], "examples") | {
        "languages": list(report["languages"]),
        "exact_match": overall["exact_match"],
        "exact_match_train": evaluator["exact_match_train"],
        "cer": overall["cer"],
        "wer": overall["wer"],
        "exact_match_nearest_train": report["rows"]["nearest_train"]["overall"]["exact_match"],
        "exact_match_most_frequent": report["rows"]["most_frequent"]["overall"]["exact_match"],
    }
