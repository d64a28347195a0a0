"""Composes sentences of isolated signs: takes of one session, joined by eased transitions.

A grammar gives the sentences, and takes of single signs sign them. The takes of a sentence are of
one session; where that session lacks a sign, the take is of the nearest one that has it. Sentences
of train, dev and test differ, and sessions that the grammar keeps for a split serve no other.
"""

import dataclasses
import itertools
import random
from collections.abc import Mapping, Sequence

from etils import epath

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora import fingerspelling, lexicon
from signllm_jax.corpora.entries import SPLITS, Entry
from signllm_jax.corpora.grammar import FINGERSPELLED_WORD, Grammar
from signllm_jax.corpora.lexicon import TAKES, Pool, Take
from signllm_jax.corpora.prepare import Settings, make_strings
from signllm_jax.corpora.sentence_draws import draw_sentences
from signllm_jax.corpora.shards import PART_CLIPS, part_name, write_part
from signllm_jax.corpora.spelled_names import spelled_take, spelled_words
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.join import join_clips
from signllm_jax.poses.plausible import oddities

VERSION = 1
"""Version of this module's output; a new one makes `prepare` compose every sentence again."""
EASE = 0.24
"""Seconds from the end of a sign to the beginning of the next."""
ENOUGH = 0.5
"""Share of a sentence's signs that a session must have to sign it, where another one has more."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence to compose.

    Attributes:
        split: Split of its example.
        number: Number among the sentences of the split; all versions of it share the number.
        version: Number of this version of the sentence, from 0.
        session: Session that signs it.
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
    folder: epath.Path,
    names: Sequence[str],
    grammar: Grammar,
    settings: Settings,
    by_manifest: bool,
) -> tuple[list[str], dict]:
    """Composes the sentences of a grammar and writes the parts that are missing.

    Args:
        folder: Folder of the prepared source; the takes lie below it, in `TAKES`.
        names: Names of the parts of the takes.
        grammar: Grammar of the sentences.
        settings: Settings of the source.
        by_manifest: Whether the manifest gives every take its split, which is then kept.

    Returns:
        The names of all parts, and further entries of `source.json`.

    Raises:
        DataError: A sign has no take, a session that is named has none, or `draw_sentences`
            finds too few sentences.
    """
    takes, lost, repairs = lexicon.read_takes(folder / TAKES, names, settings.language)
    pools = lexicon.take_pools(takes, grammar, by_manifest)
    spelled = _spelled_takes(grammar, settings.language, takes[0].clip.fps)
    sentences = plan_sentences(pools, grammar, spelled)
    known = {take.id: take for take in (*takes, *itertools.chain(*spelled.values()))}
    parts = []
    for number, start in enumerate(range(0, len(sentences), PART_CLIPS)):
        chosen = sentences[start : start + PART_CLIPS]
        content = [VERSION, list(names), [dataclasses.asdict(sentence) for sentence in chosen]]
        parts.append(part_name(number, content))
        if not (folder / parts[-1]).exists():
            examples, clips = zip(*(_make_sentence(s, known, settings) for s in chosen))
            of_takes = ([], {}) if number else (lost, repairs)  # all in the first part
            write_part(folder, parts[-1], (examples, clips), *of_takes)
    composed = {
        "takes": len(takes),
        "signs": list(grammar.signs),
        "sessions": {split: lexicon.session_names(pools[split]) for split in SPLITS},
        "sentences": {split: size for split, (size, _) in grammar.sizes.items()},
    }
    how = "takes by the corpus's own splits" if by_manifest else "takes in all of them"
    if kept := [*itertools.chain(*grammar.sessions.values())]:
        how = f"sessions kept for one of them: {', '.join(kept)}"
    return parts, {"splits_by": f"no sentence in two splits, {how}", "composed": composed}


def _spelled_takes(grammar: Grammar, language: str, fps: float) -> dict[str, list[Take]]:
    """Split -> the words that it may spell; none where the grammar spells none."""
    takes = {}
    for split in SPLITS:
        words = spelled_words(language, split, grammar.signs) if grammar.spells else ()
        takes[split] = [spelled_take(word, language, fps) for word in words]
    return takes


def plan_sentences(
    pools: Mapping[str, Pool],
    grammar: Grammar,
    spelled: Mapping[str, Sequence[Take]] | None = None,
) -> list[Sentence]:
    """Chooses sentences, sessions and takes; the same on every machine.

    Args:
        pools: Pool of each split.
        grammar: Grammar of the sentences.
        spelled: Split -> the words that it may spell, where the grammar has FINGERSPELLED_WORD.
    """
    planned, spelled = [], spelled or {}
    for split, sentences in draw_sentences(grammar).items():
        pool = pools[split]
        near = lexicon.nearest_sessions(pool)
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
                        takes = spelled[split]
                    else:
                        name = next(name for name in near[session] if name in pool[sign])
                        takes = pool[sign][name]
                    chosen.append(takes[int(draw.random() * len(takes))].id)
                planned.append(Sentence(split, number, version, session, tuple(chosen)))
    return planned


def join_signs(clips: Sequence[PoseClip]) -> PoseClip:
    """Signs as one clip, with eased transitions of `EASE` seconds between them."""
    return join_clips(clips, EASE, eased=True)


def _make_sentence(
    sentence: Sentence, takes: Mapping[str, Take], settings: Settings
) -> tuple[dict, PoseClip]:
    chosen = [takes[name] for name in sentence.takes]
    clip = join_signs([take.clip for take in chosen])
    text, gloss = (" ".join(getattr(t, kind) for t in chosen) for kind in ("text", "gloss"))
    name = f"{sentence.split}-{sentence.number:04d}-{sentence.version}"
    entry = Entry(name, text, gloss, sentence.session, sentence.split)
    return make_strings(entry, settings, oddities(clip, text)), clip
