"""A made corpus whose clips are as long as sentences, for measuring the input."""

import io
import json
from pathlib import Path

import numpy as np

from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.shards import COMPLETE, source_folder

LANGUAGE, NAME = "gsl", "made"
MEDIAN, SPREAD = 110, 0.55  # frames of a sentence: log-normal, PHOENIX's and How2Sign's middle


def sentence_lengths(count: int) -> np.ndarray:
    """Numbers of frames of sentences as in Prompt2Sign's corpora, 20 to 500: int [n]."""
    drawn = np.random.default_rng(0).normal(np.log(MEDIAN), SPREAD, count)
    return np.clip(np.exp(drawn), 20, 500).astype(int)


def write_corpus(data_dir: Path, count: int) -> None:
    """Writes a prepared source of so many made clips, unless it exists."""
    folder = source_folder(data_dir, LANGUAGE, NAME)
    if (folder / COMPLETE).exists():
        return
    lengths, joints = sentence_lengths(count), OPENPOSE50.size
    random = np.random.default_rng(1)
    parts = []
    for start in range(0, count, 250):
        part = lengths[start : start + 250]
        steps = random.normal(0, 0.02, (part.sum(), joints, 3))
        examples = [
            {
                "id": f"clip{start + n}",
                "text": f"sentence {start + n} of {frames} frames",
                "prompt": f"How do you sign sentence {start + n}?",
                "gloss": "",
                "signer": "",
                "split": "train",
                "frames": int(frames),
            }
            for n, frames in enumerate(part)
        ]
        listed = json.dumps({"examples": examples, "lost": [], "repairs": {}}).encode()
        content = io.BytesIO()
        np.savez(
            content,
            listed=np.frombuffer(listed, np.uint8),
            pose=(np.sin(np.cumsum(steps, 0))).astype(np.float16),
            confidence=np.ones((part.sum(), joints), np.float16),
            fps=np.full(len(part), 25, np.float32),
        )
        parts.append(f"part-{start:06d}.npz")
        write_whole(folder / parts[-1], content.getvalue())
    settings = {"language": LANGUAGE, "source": NAME, "layout": OPENPOSE50.name}
    description = json.dumps({"settings": settings, "parts": parts})
    write_whole(folder / COMPLETE, description.encode())
