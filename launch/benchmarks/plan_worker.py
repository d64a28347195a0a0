"""The start of a run's data in a process of its own: see `plan.py`.

python -m launch.benchmarks.plan_worker FOLDER PLAN EPOCH
"""

import json
import sys
from pathlib import Path

import numpy as np
import psutil

from launch.benchmarks.rows import clocks, since
from launch.benchmarks.sentences import LANGUAGE, sentence_lengths
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.listings import read_columns, write_listing
from signllm_jax.data.batches import TrainData
from signllm_jax.data.packing import Packing
from signllm_jax.data.splits import Source
from signllm_jax.poses.features import Statistics
from signllm_jax.text.tokenizer import Tokenizer, train_tokenizer

SPLIT, TOKENIZER, DESCRIBED = "train", "tokenizer.model", "described.json"
ROWS = 32  # number of rows in a batch
SIZES = {"row_frames": 512, "row_tokens": 96, "row_clips": 8, "batch_size": ROWS, "strata": 8}
"""Values of the size `base` on prepared corpora."""
WORDS = ("heute", "morgen", "regen", "sonne", "im norden", "grad", "wind", "es wird", "und", "kalt")


def write_corpus(folder: Path, count: int) -> None:
    """Writes the listing of a synthetic corpus with so many sentences, and its tokenizer."""

    def text(number: int, frames: int) -> str:
        words = (WORDS[(number // 10**digit) % len(WORDS)] for digit in range(frames // 40 + 1))
        return " ".join(words)

    lengths = sentence_lengths(count).tolist()
    texts = [text(*item) for item in enumerate(lengths[:2000])]
    tokenizer = train_tokenizer(texts, [], "pieces", 300, LANGUAGE)
    (folder / TOKENIZER).write_bytes(tokenizer.model)
    examples = (
        {"id": f"clip{n}", "text": text(n, frames), "gloss": "", "pose": range(frames)}
        for n, frames in enumerate(lengths)
    )
    described: dict = {}
    for _ in write_listing(folder, SPLIT, examples, described):
        pass
    (folder / DESCRIBED).write_text(json.dumps(described))


class _Listed(Source):
    """A train split whose listing is read from files and whose clips are zeros.

    Args:
        folder: Folder of the listing of `write_listing`, with its description in DESCRIBED.
    """

    language = LANGUAGE

    def __init__(self, folder: Path):
        described = json.loads((folder / DESCRIBED).read_text())
        (self.ids, self.texts, self.units, self.lengths), _ = read_columns(folder, SPLIT, described)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict:
        shape = (self.lengths[index], OPENPOSE50.size)
        return {
            "pose": np.zeros((*shape, 3), np.float16),
            "confidence": np.ones(shape),
            "fps": 25.0,
        }


def start(folder: Path, plan: int, epoch: int) -> dict:
    """Opens the data and makes the first batch of an epoch; returns the times and the memory."""
    tokenizer = Tokenizer((folder / TOKENIZER).read_bytes(), "pieces", LANGUAGE)
    zeros = np.zeros((OPENPOSE50.size, 3), np.float32)
    unit = np.ones(OPENPOSE50.size, np.float32)
    statistics = Statistics(OPENPOSE50.name, zeros, unit, 25.0, 500, unit)
    process = psutil.Process()
    before, began = process.memory_info().rss, clocks()  # with pages of mapped files
    packing = Packing(**SIZES, plan=plan)
    source = _Listed(folder)
    data = TrainData([source], [tokenizer], [statistics], packing, cache_mb=0)
    plans = data.plans[0]
    rows = [stratum.first_rows for stratum in plans]
    step = epoch * max(rows) // (ROWS // packing.strata)
    for stratum in plans:
        stratum.row(step * ROWS // packing.strata)
    more = max(process.memory_info().rss - before, 0)
    data.batch(step, [0], range(ROWS))
    cpu, wall = since(began)
    real = sum(int(source.lengths[stratum.clips].sum()) for stratum in plans)
    padding = 1 - real / (sum(rows) * packing.row_frames)
    figures = {"bytes_per_clip": more / len(source), "padding": padding}
    return {"cpu_seconds": cpu, "wall_seconds": wall, **figures}


if __name__ == "__main__":
    print(json.dumps(start(Path(sys.argv[1]), *map(int, sys.argv[2:]))), flush=True)
