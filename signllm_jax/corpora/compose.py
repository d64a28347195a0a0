"""Composes sentences of isolated signs: takes of one session, joined by eased ways.

What a grammar says is signed by takes of the signs that it has. The takes of a sentence are of one
session; where that lacks a sign, the take is of the nearest session that has it. Sentences of
train, dev and test differ, and sessions that the grammar keeps for a split serve no other.
"""

import dataclasses
import hashlib
import itertools
import json
import random
from collections.abc import Mapping, Sequence

from etils import epath

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.grammar import FINGERSPELLED_WORD, Grammar
from signllm_jax.corpora.lexicon import (
    TAKES,
    Pool,
    Take,
    nearest_sessions,
    read_takes,
    session_names,
    take_pools,
)
from signllm_jax.corpora.prepare import Settings
from signllm_jax.corpora.sentence_draws import draw_sentences
from signllm_jax.corpora.shards import PART_CLIPS, write_part
from signllm_jax.corpora.spelled_names import spelled_take, spelled_words
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.join import join_clips
from signllm_jax.poses.plausible import oddities
from signllm_jax.text.prompts import make_prompt

VERSION = 1
"""Version of this module's output; a new one makes `prepare` compose every sentence again."""
EASE = 0.24
"""Seconds from the end of a sign to the begin of the next."""
ENOUGH = 0.5
"""Share of a sentence's signs that a session must have to sign it, where another one has more."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence to compose.

    Attributes:
        split: Of its example.
        number: Among the sentences of the split; its takes share it.
        version: Which of the split's takes of the sentence it is.
        session: That signs it.
        takes: Ids of its takes, in order.
    """

    split: str
    number: int
    version: int
    session: str
    takes: tuple[str, ...]


def check_settings(settings: Settings, grammar: Grammar, **options) -> None:
    """Refuses what cannot be composed before anything is prepared.

    Raises:
        ConfigError: These settings or options do not go with sentences.
        TextError: A word is to be spelled in a language of which no alphabet is recorded.
    """
    if grammar.spells:
        fingerspelling.letters(settings.language)
    if settings.layout != OPENPOSE50.name:
        raise ConfigError(f"--compose makes clips of {OPENPOSE50.name}, not of {settings.layout}")
    for name, value in options.items():
        if value:
            raise ConfigError(f"--compose does not go with --{name}")


def compose_parts(
    folder: epath.Path, names: Sequence[str], grammar: Grammar, settings: Settings, own: bool
) -> tuple[list[str], dict]:
    """Composes the sentences of a grammar and writes the parts that are missing.

    Args:
        folder: Of the prepared source; the takes lie below it, in `TAKES`.
        names: Of the parts of the takes.
        grammar: What is said.
        settings: Of the source.
        own: Whether the takes' splits are the manifest's own, and thus to be kept.

    Returns:
        The names of all parts, and what `source.json` says of them.

    Raises:
        DataError: A sign has no take, a session that is named has none, or `draw_sentences`
            finds too few sentences.
    """
    takes, lost, repairs = read_takes(folder / TAKES, names, settings.language)
    pools = take_pools(takes, grammar, own)
    spelled = _spelled_takes(grammar, settings.language, takes[0].clip.fps)
    sentences = plan_sentences(pools, grammar, spelled)
    known = {take.id: take for take in (*takes, *itertools.chain(*spelled.values()))}
    parts = []
    for number, start in enumerate(range(0, len(sentences), PART_CLIPS)):
        chosen = sentences[start : start + PART_CLIPS]
        content = [VERSION, list(names), [dataclasses.asdict(each) for each in chosen]]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        parts.append(f"part-{number:06d}-{digest[:16]}.npz")
        if not (folder / parts[-1]).exists():
            made = [_make_sentence(each, known, settings) for each in chosen]
            examples, clips = zip(*made)
            first = number == 0
            write_part(
                folder,
                parts[-1],
                (examples, clips),
                lost if first else [],
                repairs if first else {},
            )
    composed = {
        "takes": len(takes),
        "signs": list(grammar.signs),
        "sessions": {split: session_names(pools[split]) for split in SPLITS},
        "sentences": {split: size for split, (size, _) in grammar.sizes.items()},
    }
    kept = [name for names in grammar.sessions.values() for name in names]
    how = "no sentence in two splits, " + (
        f"sessions kept for one of them: {', '.join(kept)}"
        if kept
        else "takes by the corpus's own splits"
        if own
        else "takes in all of them"
    )
    return parts, {"splits_by": how, "composed": composed}


def _spelled_takes(grammar: Grammar, language: str, fps: float) -> dict[str, list[Take]]:
    """The words that a split may spell; none where the grammar spells none."""
    return {
        split: [
            spelled_take(word, language, fps)
            for word in (spelled_words(language, split, grammar.signs) if grammar.spells else ())
        ]
        for split in SPLITS
    }


def plan_sentences(
    pools: Mapping[str, Pool],
    grammar: Grammar,
    spelled: Mapping[str, Sequence[Take]] | None = None,
) -> list[Sentence]:
    """Chooses sentences, sessions and takes; the same on every machine.

    Args:
        pools: Of each split.
        grammar: What is said.
        spelled: Split -> the words that it may spell, where the grammar has FINGERSPELLED_WORD.
    """
    planned, spelled = [], spelled or {}
    for split, sentences in draw_sentences(grammar).items():
        pool = pools[split]
        near = nearest_sessions(pool)
        for number, signs in enumerate(sentences):
            draw = random.Random(f"takes of {grammar.digest} {split} {number}")
            signed = [sign for sign in signs if sign != FINGERSPELLED_WORD]
            has = {
                name: sum(name in pool[sign] for sign in signed) / max(len(signed), 1)
                for name in near
            }
            least = min(max(has.values()), ENOUGH)
            waiting: list[str] = []
            for version in range(grammar.sizes[split][1]):
                # a session signs a sentence again when all others have
                waiting = waiting or [name for name, share in has.items() if share >= least]
                session = waiting.pop(int(draw.random() * len(waiting)))
                chosen = []
                for sign in signs:
                    if sign == FINGERSPELLED_WORD:
                        words = spelled[split]
                        chosen.append(words[int(draw.random() * len(words))].id)
                        continue
                    name = next(name for name in near[session] if name in pool[sign])
                    own = pool[sign][name]
                    chosen.append(own[int(draw.random() * len(own))].id)
                planned.append(Sentence(split, number, version, session, tuple(chosen)))
    return planned


def join_signs(clips: Sequence[PoseClip]) -> PoseClip:
    """Signs as one clip, with eased ways of `EASE` seconds between them."""
    return join_clips(clips, EASE, eased=True)


def _make_sentence(
    sentence: Sentence, takes: Mapping[str, Take], settings: Settings
) -> tuple[dict, PoseClip]:
    chosen = [takes[name] for name in sentence.takes]
    clip = join_signs([take.clip for take in chosen])
    text = " ".join(take.text for take in chosen)
    name = "_".join(
        (
            settings.language,
            settings.source,
            f"{sentence.split}-{sentence.number:04d}-{sentence.version}",
        )
    )
    example = {
        "id": name,
        "text": text,
        "prompt": make_prompt(text, settings.language, name, templates=settings.templates or None),
        "gloss": " ".join(take.gloss for take in chosen),
        "signer": sentence.session,
        "split": sentence.split,
        "odd": [list(each) for each in oddities(clip, text)],
    }
    return example, clip
