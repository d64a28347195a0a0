"""Takes of ASL signs for the study of variety: splits by session, preparing, a reader of signs."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.eval.evaluators import Evaluator

LANGUAGE, CORPUS = "asl", "takes"
READER_STEPS = 500
LEAST = 4
"""Test takes of a sign at least, where its sessions allow it."""
MOST = 40
"""Train takes of a sign at most, spread over its sessions."""


def session_splits(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Id of a take -> its split: whole sessions of a sign, the smallest first.

    A sign's smallest sessions are test until there are `LEAST` takes, the next one is dev where
    two are left, and the others are train, of which `MOST` takes are kept. A sign of one session is
    left out: what is learned of it could not be judged on another.
    """
    signs: dict[str, dict[str, list[str]]] = {}
    for line in listed:
        signs.setdefault(line["text"], {}).setdefault(line["signer"], []).append(line["id"])
    found = {}
    for sessions in signs.values():
        order = sorted(sessions, key=lambda name: (len(sessions[name]), name))
        if len(order) < 2:
            continue
        test: list[str] = []
        while len(order) > 1 and len(test) < LEAST:
            test += sessions[order.pop(0)]
        dev = sessions[order.pop(0)] if len(order) > 1 else []
        train = sorted(_in_turn([sessions[name] for name in order])[:MOST])
        for split, ids in (("test", test), ("dev", dev), ("train", train)):
            found |= dict.fromkeys(ids, split)
    return found


def _in_turn(groups: list[list[str]]) -> list[str]:
    """One of each group, then the next of each, until all are taken."""
    longest = max(map(len, groups))
    return [group[i] for i in range(longest) for group in groups if i < len(group)]


def prepared(source: Path, work: Path) -> Path:
    """The folder of the prepared takes, which are prepared where they are missing.

    Raises:
        DataError: the index cannot be read, or has no sign with two sessions.
    """
    from signllm_jax.corpora.prepare import Settings
    from signllm_jax.data.prepare_corpus import prepare_corpus

    data = work / "data"
    done = data / "done"
    if done.exists():
        return data
    try:
        with open(source / "index.csv", encoding="utf-8", newline="") as file:
            listed = [line for line in csv.DictReader(file) if line["language"] == LANGUAGE]
        splits = session_splits(listed)
    except (OSError, KeyError) as error:
        raise DataError(f"{source}: no readable index.csv ({error})") from None
    if not splits:
        raise DataError(f"{source}: no sign of {LANGUAGE} has two sessions")
    work.mkdir(parents=True, exist_ok=True)
    manifest = work / "takes.csv"
    with open(manifest, "w", encoding="utf-8", newline="") as file:
        columns = ["id", "text", "gloss", "signer", "split"]
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        for line in listed:
            if line["id"] in splits:
                writer.writerow(line | {"split": splits[line["id"]]})
    settings = Settings(LANGUAGE, CORPUS, "pose")
    prepare_corpus(settings, source / LANGUAGE, data, manifest=manifest)
    done.touch()
    return data


def sign_reader(data: Path, work: Path, steps: int = 0) -> Evaluator:
    """A reader of whole signs, trained on the train sessions where it is missing."""
    from configs.back_translation import get_config
    from signllm_jax.core.config import read_config
    from signllm_jax.eval.evaluators import open_evaluator
    from signllm_jax.train.loop import train

    steps = steps or READER_STEPS
    values = get_config("prompt2sign").to_dict()
    values["data"] |= {"data_dir": str(data), "languages": (LANGUAGE,)}
    values["train"] |= {"steps": steps}
    values["eval"] |= {"report": False, "every": max(steps // 2, 1)}
    values["log"] |= {"progress": False}
    train(read_config(values), work / "takes-reader")
    return open_evaluator(str(work / "takes-reader"), (LANGUAGE,), 16)
