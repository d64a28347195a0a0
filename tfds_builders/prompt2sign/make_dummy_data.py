"""Writes dummy_data: one synthetic clip per split of every known corpus, as by prepare.py.

    python -m tfds_builders.prompt2sign.make_dummy_data FOLDER

It has no data of a corpus: a formula moves the joints, and the texts name source and split.
"""

import json
import sys
from pathlib import Path

import numpy as np

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.published import PREPARED
from signllm_jax.corpora.shards import COMPLETE
from signllm_jax.text.prompts import make_prompt

FRAMES = 5


def jumping(number: int) -> np.ndarray:
    """A clip float16 [FRAMES + number, 50, 3], unique to the number and the same everywhere."""
    frame, joint, axis = np.indices((FRAMES + number, OPENPOSE50.size, 3))
    return ((7 * frame + 3 * joint + 5 * axis + 11 * number) % 64 / 32 - 1).astype(np.float16)


def write(folder: str | Path) -> None:
    """Writes `<folder>/<language>/<source>/` for every known language and source."""
    for name, corpus in PREPARED.items():
        for language in corpus.languages:
            path = Path(folder) / language / name
            path.mkdir(parents=True, exist_ok=True)
            _write_source(path, language, name)


def _write_source(folder: Path, language: str, name: str) -> None:
    clips = [jumping(number) for number in range(len(SPLITS))]
    examples = []
    for split, clip in zip(SPLITS, clips):
        id_, text = f"{language}_{name}_dummy-{split}", f"{name} {split} clip"
        examples.append(
            {
                "id": id_,
                "text": text,
                "prompt": make_prompt(text, language, id_),
                "gloss": "CLIP",
                "signer": "nobody",
                "split": split,
                "frames": len(clip),
                "hands": {"left": 1.0, "right": 1.0},
            }
        )
    listed = json.dumps({"examples": examples, "lost": [], "repairs": {}})
    pose = np.concatenate(clips)
    np.savez_compressed(
        folder / "part-000000-dummy.npz",
        listed=np.frombuffer(listed.encode(), np.uint8),
        pose=pose,
        confidence=np.ones(pose.shape[:2], np.float16),
        fps=np.full(len(clips), 25, np.float32),
    )
    settings = {"language": language, "source": name, "layout": OPENPOSE50.name}
    described = {"settings": settings, "parts": ["part-000000-dummy.npz"]}
    (folder / COMPLETE).write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    write(sys.argv[1])
