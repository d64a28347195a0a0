"""Prepares a whole corpus: finds its clips, writes their parts, the report, and the TFDS data set.

Every clip is prepared independently (`prepare.make_example`). Parts of some clips each are made in
this process, in several, or by Apache Beam. Existing parts are kept, so that a rerun after a kill
makes only the missing ones and ends with the same files.
"""

import dataclasses
import itertools
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import tqdm
from etils import epath

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.corpora import compose
from signllm_jax.corpora.clip_jobs import Job, find_jobs
from signllm_jax.corpora.dialects import DIALECTS
from signllm_jax.corpora.entries import Entry
from signllm_jax.corpora.export_reference import check_reference, export_reference
from signllm_jax.corpora.export_skels import export_skels
from signllm_jax.corpora.grammar import read_grammar
from signllm_jax.corpora.lexicon import TAKES
from signllm_jax.corpora.manifest import Manifest, Reading, read_manifest
from signllm_jax.corpora.outputs import check_outside
from signllm_jax.corpora.prepare import Settings
from signllm_jax.corpora.shards import (
    COMPLETE,
    Part,
    Prepared,
    make_part,
    plan_parts,
    read_part,
    source_folder,
)
from signllm_jax.corpora.split_assignment import assign_splits
from signllm_jax.corpora.takes import takes_in
from signllm_jax.corpora.workers import make_parts
from signllm_jax.data import splits as opened
from signllm_jax.data.locking import locked
from signllm_jax.data.prepare_report import grouped, write_report
from tfds_builders.prompt2sign import Prompt2Sign, Prompt2SignConfig


def prepare_corpus(
    settings: Settings,
    source: str | os.PathLike,
    data_dir: str | os.PathLike,
    *,
    manifest: str | os.PathLike | None = None,
    reading: Reading | None = None,
    max_bad: float = 1.0,
    split: str = "",
    limit: int = 0,
    workers: int = 1,
    beam_runner: str = "",
    skels: str | os.PathLike | None = None,
    reference: str | os.PathLike | None = None,
    grammar: str | os.PathLike | None = None,
) -> dict:
    """Prepares a corpus as `prompt2sign/<language>_<source>` and as a part of `<language>`.

    Args:
        settings: How clips are prepared.
        source: Folder of the corpus.
        data_dir: Output folder.
        manifest: File or folder of labels; by default the folder of the corpus, and for mediapipe
            the names of its folders SIGN/TAKE.
        reading: How the manifest is read; language and corpus are taken from `settings`.
        max_bad: Share of the clips and rows of the manifest that may be lost.
        split: Split of all clips, instead of the corpus's own splits or a hash.
        limit: Number of clips with a pose to prepare, for a trial: first those with new texts, then
            those with repeated ones; 0 = all.
        workers: Number of processes.
        beam_runner: Name of an Apache Beam runner to use instead of processes.
        skels: Folder to which the clips are also written as `.skels` and text files.
        reference: File for the coordinates of the original implementation, lifted by its method.
        grammar: File of a `corpora.grammar`. The clips are then takes of single signs, and the
            prepared examples are sentences composed of them.

    Returns:
        The content of prepare_report.json.

    Raises:
        DataError: The manifest or a folder is bad, more than `max_bad` is lost, or no clip is left.
        OutputError: An output would be written into the corpus.
        ConfigError: An option cannot be used with another one.
    """
    composed = read_grammar(grammar) if grammar else None
    if composed:
        compose.check_settings(settings, composed, split=split, limit=limit, export_skels=reference)
    folder = source_folder(data_dir, settings.language, settings.source)
    configs = [
        Prompt2SignConfig(settings.language, name, settings.layout).name
        for name in (settings.source, "")
    ]
    built = [epath.Path(data_dir) / Prompt2Sign.name / config for config in configs]
    path = manifest or source
    written = (data_dir, folder, *built, *filter(None, (skels, reference)))
    check_outside(written, (source, path), replaced=(folder, *built))
    if reference:
        check_reference(settings, reference)
    reading = dataclasses.replace(
        reading or Reading(),
        language=settings.language,
        corpus=settings.source,
        any_split=bool(split),
    )
    if settings.format == "mediapipe" and not manifest:
        reading.refuse("the folders SIGN/TAKE of mediapipe without a manifest")
        listed = Manifest(takes_in(source), [], (), [], "plain")
    else:
        listed = read_manifest(path, reading, source)
    others = Counter(entry.language for entry in listed.others)
    odd = Counter(row.reason for row in listed.odd)
    if not listed.entries:
        why = _counts(Counter({f"of {name}": n for name, n in others.items()}) + odd)
        hint = "; rename the column if it is of the spoken language" if others else ""
        raise DataError(f"{path}: the manifest has no clip of {settings.language}: {why}{hint}")
    known = [*listed.others, *(Entry(row.name, "") for row in listed.odd)]
    search = find_jobs(listed.entries, settings.format, source, known)
    jobs = search.jobs
    lacking = sum(not job.path for job in jobs)
    missing = f"looked for {search.looked_for}; {search.there}" if lacking else ""
    if lacking == len(jobs):
        raise DataError(
            f"{source}: no {settings.format} file for any of {len(jobs)} clips: {missing}"
        )
    lost = odd + Counter({f"no pose file ({missing})": lacking})
    _check_share(path, lost, len(jobs) + len(listed.odd), max_bad)
    if limit:
        jobs = _first([job for job in jobs if job.path], limit)
    placed, how = assign_splits([job.entry for job in jobs], split)
    jobs = [dataclasses.replace(job, entry=entry) for job, entry in zip(jobs, placed)]
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "prepare"):
        parts = plan_parts(jobs, settings)
        takes = folder / TAKES if composed else folder
        takes.mkdir(exist_ok=True)
        _make_missing(parts, settings, takes, workers, beam_runner)
        names, further = [part.name for part in parts], {}
        lost = odd + Counter(
            lost["reason"] for name in names for lost in read_part(takes, name)[0]["lost"]
        )
        _check_share(path, lost, len(jobs) + len(listed.odd), max_bad)
        if composed:
            _remove_others(takes, names)
            has_splits = all(entry.split for entry in listed.entries)
            names, further = compose.compose_parts(folder, names, composed, settings, has_splits)
        described = {
            "settings": dataclasses.asdict(settings) | {"templates": list(settings.templates)},
            "parts": names,
            "splits_by": how,
            "clips_in": len(jobs),
            "without_text": search.unlisted,
            "ignored_files": search.ignored,
            "odd_rows": [dataclasses.asdict(row) for row in listed.odd],
            "other_languages": dict(others.most_common()),
            "read_as": [DIALECTS[name].title for name in listed.dialects] or ["folders SIGN/TAKE"],
            "gloss_rules": listed.gloss_rules,
            "missing": missing,
            **further,
        }
        write_whole(folder / COMPLETE, json.dumps(described, indent=1).encode())
        _remove_others(folder, names)
        prepared = Prepared(folder)
        report = write_report(prepared, described)
    if not report["clips_out"]:
        raise DataError(f"{source}: no clip could be prepared: {_counts(report['lost_by_reason'])}")
    if skels:
        export_skels(prepared, skels)
    if reference:
        start = f"{settings.language}_{settings.source}_"
        examples = (example for part in prepared.listed() for example in part["examples"])
        made = {example["id"].removeprefix(start) for example in examples}
        export_reference(jobs, settings, reference, made)
    for config in configs:
        opened.prepare(f"prompt2sign/{config}", settings.language, data_dir, fresh=True)
    return report


def read_share(value: str) -> float:
    """Reads a share such as `5%`; raises ConfigError if it is not one."""
    try:
        share = float(value.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not value.endswith("%") or not 0 <= share <= 1:
        raise ConfigError(f"--max_bad is a share such as 5%, not {value!r}")
    return share


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in Counter(reasons).most_common())


def _check_share(path, lost: Mapping[str, int], of: int, most: float) -> None:
    bad = sum(lost.values())
    if bad > most * of:
        raise DataError(
            f"{path}: {bad} of {of} clips are bad, more than --max_bad={100 * most:g}%: "
            f"{_counts(grouped(lost))}"
        )


def _first(jobs: list[Job], limit: int) -> list[Job]:
    """The first jobs, those of a repeated text after those of all new texts."""
    repeats = defaultdict(itertools.count)
    counts = [next(repeats[job.entry.text]) for job in jobs]
    return [jobs[i] for i in sorted(range(len(jobs)), key=counts.__getitem__)[:limit]]


def _make_missing(
    parts: Sequence[Part], settings: Settings, folder: epath.Path, workers: int, beam_runner: str
) -> None:
    missing = [part for part in parts if not (folder / part.name).exists()]
    if beam_runner:
        from signllm_jax.corpora import prepare_beam

        prepare_beam.make_parts(missing, settings, folder, beam_runner)
        return
    done = (
        make_parts(missing, settings, os.fspath(folder), workers)
        if workers > 1
        else (make_part(part, settings, folder) for part in missing)
    )
    clips = {part.name: len(part.jobs) for part in parts}
    title = f"{settings.language} {settings.source}"
    with tqdm.tqdm(total=sum(clips.values()), unit=" clips", desc=title, disable=None) as bar:
        bar.update(sum(clips.values()) - sum(len(part.jobs) for part in missing))
        for name in done:
            bar.update(clips[name])


def _remove_others(folder: epath.Path, names: Sequence[str]) -> None:
    """Deletes parts of earlier preparations and unfinished files of killed ones."""
    keep = set(names)
    for path in folder.iterdir():
        is_part = path.name.startswith("part-")
        if path.name.endswith(".partial") or (is_part and path.name not in keep):
            path.unlink()
