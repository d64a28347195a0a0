"""Prepares a whole corpus: finds its clips, makes their parts, writes the report, builds TFDS.

Every clip is prepared alone (`prepare.make_example`), a part of some clips at a time: in this
process, in several, or by Apache Beam. A part that is there already is kept, so a rerun after a
kill makes what is missing and ends with the same files.
"""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence

import tqdm
from etils import epath

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.plain_files import write_whole
from signllm_jax.core.skeleton import OPENPOSE50
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
        settings: how.
        source: its folder.
        data_dir: where everything is written.
        manifest: File or folder of labels; by default the source's folder, and of
            mediapipe its folders SIGN/TAKE.
        reading: How the manifest is read; language and corpus are those of `settings`.
        max_bad: Share of the manifest's clips and rows that may be lost.
        split: of all clips, instead of the corpus's own or a hash.
        limit: prepares the first clips that have a pose, for a trial, a text that was taken
            before only after all new ones; 0 = all.
        workers: processes.
        beam_runner: name of an Apache Beam runner, instead of processes.
        skels: folder that the result is written to as `.skels` and texts as well.
        reference: file that the original's own numbers are written to, by its lift.
        grammar: file of a `corpora.grammar`; the clips are then takes of single signs, and what is
            prepared are the sentences that it makes of them.

    Returns:
        What is written to prepare_report.json.

    Raises:
        DataError: Bad manifest or folders, more is lost than `max_bad`, or no clip is left.
        OutputError: An output would be written into the corpus.
        ConfigError: An option does not go with another one.
    """
    composed = read_grammar(grammar) if grammar else None
    if composed:
        compose.check_settings(settings, composed, split=split, limit=limit, export_skels=reference)
    folder = source_folder(data_dir, settings.language, settings.source)
    configs = _configs(settings)
    built = [epath.Path(data_dir) / opened.Prompt2Sign.name / config for config in configs]
    read = (source, manifest or source)
    written = (data_dir, folder, *built, *(place for place in (skels, reference) if place))
    check_outside(written, read, replaced=(folder, *built))
    if reference:
        check_reference(settings, reference)
    reading = dataclasses.replace(
        reading or Reading(),
        language=settings.language,
        corpus=settings.source,
        any_split=bool(split),
    )
    path = manifest or source
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
    found = find_jobs(listed.entries, settings.format, source, known)
    jobs = found.jobs
    lacking = sum(not job.path for job in jobs)
    missing = f"looked for {found.looked_for}; {found.there}" if lacking else ""
    if lacking == len(jobs):
        raise DataError(
            f"{source}: no {settings.format} file for any of {len(jobs)} clips: {missing}"
        )
    lost = odd + Counter({f"no pose file ({missing})": lacking} if lacking else {})
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
        lost = odd + _lost(takes, names)
        _check_share(path, lost, len(jobs) + len(listed.odd), max_bad)
        if composed:
            _remove_others(takes, names)
            own = all(entry.split for entry in listed.entries)
            names, further = compose.compose_parts(folder, names, composed, settings, own)
        told = {
            "settings": dataclasses.asdict(settings) | {"templates": list(settings.templates)},
            "parts": names,
            "splits_by": how,
            "clips_in": len(jobs),
            "without_text": found.unlisted,
            "ignored_files": found.ignored,
            "odd_rows": [dataclasses.asdict(row) for row in listed.odd],
            "other_languages": dict(others.most_common()),
            "read_as": [DIALECTS[name].title for name in listed.dialects] or ["folders SIGN/TAKE"],
            "gloss_rules": listed.gloss_rules,
            "missing": missing,
            **further,
        }
        write_whole(folder / COMPLETE, json.dumps(told, indent=1).encode())
        _remove_others(folder, told["parts"])
        prepared = Prepared(folder)
        report = write_report(prepared, told)
    if not report["clips_out"]:
        raise DataError(f"{source}: no clip could be prepared: {_counts(report['lost_by_reason'])}")
    if skels:
        export_skels(prepared, skels)
    if reference:
        made = (example["id"] for part in prepared.listed() for example in part["examples"])
        start = f"{settings.language}_{settings.source}_"
        export_reference(jobs, settings, reference, {name.removeprefix(start) for name in made})
    for config in configs:
        opened.prepare(f"prompt2sign/{config}", settings.language, data_dir, fresh=True)
    return report


def read_share(value: str) -> float:
    """A share from `5%`; raises ConfigError where it is none."""
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
        share = f"{100 * most:g}%"
        raise DataError(
            f"{path}: {bad} of {of} clips are bad, more than --max_bad={share}: "
            f"{_counts(grouped(lost))}"
        )


def _lost(folder: epath.Path, names: Sequence[str]) -> Counter[str]:
    """Reason -> clips that parts lost."""
    return Counter(lost["reason"] for name in names for lost in read_part(folder, name)[0]["lost"])


def _configs(settings: Settings) -> tuple[str, str]:
    """The configs of the builder that the corpus is a part of."""
    flat = "" if settings.layout == OPENPOSE50.name else f"_{settings.layout}"
    return f"{settings.language}_{settings.source}{flat}", f"{settings.language}{flat}"


def _first(jobs: list[Job], limit: int) -> list[Job]:
    taken: Counter[str] = Counter()
    take = []
    for number, job in enumerate(jobs):
        take.append((taken[job.entry.text], number))
        taken[job.entry.text] += 1
    return [jobs[number] for _, number in sorted(take)[:limit]]


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
    """Deletes parts of earlier preparations and what killed ones left."""
    keep = set(names)
    for path in folder.iterdir():
        if path.name.endswith(".partial") or (
            path.name.startswith("part-") and path.name not in keep
        ):
            path.unlink()
