"""Takes of ASL signs for the study of variety: splits by session, preparation, a sign reader."""

import csv
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path

from signllm_jax.core.errors import DataError
from signllm_jax.eval.evaluators import Evaluator

LANGUAGE, CORPUS = "asl", "takes"
READER_STEPS = 500
LEAST = 4
"""Least number of test takes of a sign, where its sessions allow it."""
MOST = 40
"""Greatest number of train takes of a sign, spread over its sessions."""


def session_splits(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The split of each take by its id; a sign's sessions stay whole.

    A sign's smallest sessions are test until there are `LEAST` takes. The next one is dev where two
    are left, and the others are train, of which `MOST` takes are kept. A sign with one session is
    left out, because there is no other session to test it on.
    """
    signs: dict[str, dict[str, list[str]]] = {}
    for line in listed:
        signs.setdefault(line["text"], {}).setdefault(line["signer"], []).append(line["id"])
    splits = {}
    for sessions in signs.values():
        order = sorted(sessions, key=lambda name: (len(sessions[name]), name))
        if len(order) < 2:
            continue
        test: list[str] = []
        while len(order) > 1 and len(test) < LEAST:
            test += sessions[order.pop(0)]
        dev = sessions[order.pop(0)] if len(order) > 1 else []
        turns = itertools.zip_longest(*(sessions[name] for name in order))
        train = list(filter(None, itertools.chain.from_iterable(turns)))[:MOST]
        for split, ids in (("test", test), ("dev", dev), ("train", sorted(train))):
            splits |= dict.fromkeys(ids, split)
    return splits


def prepared(source: Path, work: Path) -> Path:
    """The folder of the prepared takes; prepares them where they are missing.

    Raises:
        DataError: The index cannot be read, or has no sign with two sessions.
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
        chosen = (line for line in listed if line["id"] in splits)
        writer.writerows(line | {"split": splits[line["id"]]} for line in chosen)
    settings = Settings(LANGUAGE, CORPUS, "pose")
    prepare_corpus(settings, source / LANGUAGE, data, manifest=manifest)
    done.touch()
    return data


def sign_reader(data: Path, work: Path, steps: int = 0) -> Evaluator:
    """A reader of whole signs; trains it on the train sessions where it is missing."""
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
