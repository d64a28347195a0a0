"""The takes of single signs that sentences are composed of: who signed them, for which split."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.grammar import Grammar
from signllm_jax.corpora.shards import clips_of, read_part
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.signing import signing_part
from signllm_jax.text.tokenizer import normalize_text

TAKES = "takes"
"""Folder of the prepared takes, beside the parts of the sentences."""


@dataclasses.dataclass(frozen=True)
class Take:
    """A recording of one sign.

    Attributes:
        id: Id of the clip.
        text: Text of the sign, normalized.
        gloss: Gloss of the sign, one token.
        session: Signer and session of the recording; empty where the manifest does not say.
        split: Split that the manifest gives it.
        clip: The part in which the sign is signed.
    """

    id: str
    text: str
    gloss: str
    session: str
    split: str
    clip: PoseClip


Pool = Mapping[str, Mapping[str, Sequence[Take]]]
"""Sign -> session -> takes."""


def read_takes(
    folder: epath.Path, names: Sequence[str], language: str
) -> tuple[list[Take], list[dict], Repairs]:
    """The takes of parts, the clips that were lost, and what was put right."""
    takes, lost, repairs = [], [], Repairs()
    for name in names:
        listed, members = read_part(folder, name)
        lost += listed["lost"]
        repairs.update(listed["repairs"])
        for example, pose, confidence, fps in clips_of(listed, members):
            text = normalize_text(example["text"], language)
            gloss = "-".join(example["gloss"].split()) or "-".join(text.split()).upper()
            clip = PoseClip(pose.astype(np.float32), confidence.astype(np.float32), fps)
            labels = example["id"], text, gloss, example["signer"], example["split"]
            takes.append(Take(*labels, signing_part(clip)))
    return takes, lost, repairs


def take_pools(takes: Sequence[Take], grammar: Grammar, by_manifest: bool) -> Mapping[str, Pool]:
    """The takes that serve each split: split -> sign -> session -> takes.

    Sessions that the grammar names serve their split alone. Without any, takes keep the splits of
    the manifest where it has them; else all takes serve all splits.

    Args:
        takes: All takes.
        grammar: The grammar, with its sessions.
        by_manifest: Whether the manifest gives every take its split.

    Raises:
        DataError: A session that the grammar names, or a sign in a split, has no take.
    """
    kept = {name: split for split, names in grammar.sessions.items() for name in names}
    if unknown := sorted(set(kept) - {take.session for take in takes}):
        raise DataError(f"the grammar's session {unknown[0]!r} has no take")
    # without sessions of its own, dev has unseen sentences of the sessions of train
    shared = {"dev": "train"} if not grammar.sessions["dev"] and not by_manifest else {}
    pools: dict[str, dict[str, dict[str, list[Take]]]] = {}
    for split in SPLITS:
        lender = shared.get(split, split)
        pools[split] = {sign: {} for sign in grammar.signs}
        for take in takes:
            wanted = kept.get(take.session, "train") if kept else take.split
            serves = wanted == lender or not (kept or by_manifest)
            if serves and take.text in pools[split]:
                pools[split][take.text].setdefault(take.session, []).append(take)
        for sign, sessions in pools[split].items():
            if not sessions:
                raise DataError(f"no take of the sign {sign!r} serves {split}")
    return pools


def train_lexicon(folder: epath.Path, grammar: Grammar, language: str) -> dict[str, list[Take]]:
    """The takes that serve the sentences of train: gloss -> takes in the order of their ids.

    Args:
        folder: Folder of a prepared source of composed sentences.
        grammar: Grammar by which they were composed.
        language: Code of the sign language.
    """
    names = sorted(path.name for path in (folder / TAKES).glob("part-*.npz"))
    takes, _, _ = read_takes(folder / TAKES, names, language)
    lexicon: dict[str, list[Take]] = {}
    for sessions in take_pools(takes, grammar, by_manifest=False)["train"].values():
        for take in sorted(itertools.chain(*sessions.values()), key=lambda take: take.id):
            lexicon.setdefault(take.gloss, []).append(take)
    return lexicon


def session_names(pool: Pool) -> list[str]:
    """The sessions of a pool, sorted."""
    return sorted({name for sessions in pool.values() for name in sessions})


def nearest_sessions(pool: Pool) -> dict[str, list[str]]:
    """Session -> all sessions, itself first, by how near their signers' bodies are."""
    body = list(OPENPOSE50.groups["body"])
    clips: dict[str, list[PoseClip]] = {}
    for sessions in pool.values():
        for name, takes in sessions.items():
            clips.setdefault(name, []).extend(take.clip for take in takes)
    poses = {}
    for name, recorded in sorted(clips.items()):
        seen = np.concatenate([clip.observed[:, body] for clip in recorded])[..., None]
        positions = np.concatenate([clip.positions[:, body] for clip in recorded])
        poses[name] = (positions * seen).sum(0) / np.maximum(seen.sum(0), 1)
    return {
        name: sorted(poses, key=lambda near: (float(((poses[near] - pose) ** 2).sum()), near))
        for name, pose in poses.items()
    }
