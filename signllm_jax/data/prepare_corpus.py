"""Prepares a whole corpus: finds its clips, makes their parts, writes the report, builds TFDS.

Every clip is prepared alone (`prepare.make_example`), a part of some clips at a time: in this
process, in several, or by Apache Beam. A part that is there already is kept, so a rerun after a
kill makes what is missing and ends with the same files.
"""

import collections
import concurrent.futures
import dataclasses
import json
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Iterable, Iterator, Sequence

import tqdm
from etils import epath

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora.clip_jobs import Job, find_jobs
from signllm_jax.corpora.export_skels import export_skels
from signllm_jax.corpora.manifest import assign_splits, read_manifest
from signllm_jax.corpora.outputs import check_outside
from signllm_jax.corpora.prepare import Settings
from signllm_jax.corpora.shards import (
    COMPLETE,
    Part,
    Prepared,
    make_part,
    plan_parts,
    source_folder,
    write_whole,
)
from signllm_jax.data import splits as opened
from signllm_jax.data.prepare_report import write_report


def prepare_corpus(
    settings: Settings,
    source: str | os.PathLike,
    data_dir: str | os.PathLike,
    *,
    manifest: str | os.PathLike | None = None,
    split: str = "",
    limit: int = 0,
    workers: int = 1,
    beam_runner: str = "",
    skels: str | os.PathLike | None = None,
) -> dict:
    """Prepares a corpus as `prompt2sign/<language>_<source>` and as a part of `<language>`.

    Args:
        settings: how.
        source: its folder.
        data_dir: where everything is written.
        manifest: csv file or folder of texts; by default the source's folder.
        split: of all clips, instead of the corpus's own or a hash.
        limit: prepares the first clips that have a pose, for a trial, a text that was taken
            before only after all new ones; 0 = all.
        workers: processes.
        beam_runner: name of an Apache Beam runner, instead of processes.
        skels: folder that the result is written to as `.skels` and texts as well.

    Returns:
        What is written to prepare_report.json.

    Raises:
        DataError: bad manifest or folders, or no clip is left.
        OutputError: an output would be written into the corpus.
    """
    folder = source_folder(data_dir, settings.language, settings.source)
    configs = _configs(settings)
    built = [epath.Path(data_dir) / opened.Prompt2Sign.name / config for config in configs]
    read = (source, manifest or source)
    written = (data_dir, folder, *built, *([skels] if skels else []))
    check_outside(written, read, replaced=(folder, *built))
    entries = read_manifest(manifest or source)
    own = [entry for entry in entries if entry.language in ("", settings.language)]
    if not own:
        raise DataError(f"{manifest or source}: the manifest has no clip of {settings.language}")
    jobs, unlisted = find_jobs(entries, settings.format, source)
    jobs = [job for job in jobs if job.entry.language in ("", settings.language)]
    if limit:
        jobs = _first([job for job in jobs if job.path], limit)
    if not any(job.path for job in jobs):
        raise DataError(f"{source}: no {settings.format} file for any of {len(own)} clips")
    placed, how = assign_splits([job.entry for job in jobs], split)
    jobs = [dataclasses.replace(job, entry=entry) for job, entry in zip(jobs, placed)]
    folder.mkdir(parents=True, exist_ok=True)
    with opened.locked(folder, "prepare"):
        parts = plan_parts(jobs, settings)
        _make_missing(parts, settings, folder, workers, beam_runner)
        told = {
            "settings": dataclasses.asdict(settings) | {"templates": list(settings.templates)},
            "parts": [part.name for part in parts],
            "splits_by": how,
            "clips_in": len(jobs),
            "without_text": unlisted,
        }
        write_whole(folder / COMPLETE, json.dumps(told, indent=1).encode())
        _remove_others(folder, told["parts"])
        prepared = Prepared(folder)
        report = write_report(prepared, told)
    if not report["clips_out"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in report["lost_by_reason"].items())
        raise DataError(f"{source}: no clip could be prepared: {reasons}")
    if skels:
        export_skels(prepared, skels)
    for config in configs:
        opened.prepare(f"prompt2sign/{config}", settings.language, data_dir, fresh=True)
    return report


def _configs(settings: Settings) -> tuple[str, str]:
    """The configs of the builder that the corpus is a part of."""
    flat = "" if settings.layout == OPENPOSE50.name else f"_{settings.layout}"
    return f"{settings.language}_{settings.source}{flat}", f"{settings.language}{flat}"


def _first(jobs: list[Job], limit: int) -> list[Job]:
    taken: collections.Counter[str] = collections.Counter()
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
        from signllm_jax.corpora.prepare_beam import make_parts

        make_parts(missing, settings, folder, beam_runner)
        return
    done = (
        _in_processes(missing, settings, folder, workers)
        if workers > 1
        else (make_part(part, settings, folder) for part in missing)
    )
    clips = {part.name: len(part.jobs) for part in parts}
    title = f"{settings.language} {settings.source}"
    with tqdm.tqdm(total=sum(clips.values()), unit=" clips", desc=title, disable=None) as bar:
        bar.update(sum(clips.values()) - sum(len(part.jobs) for part in missing))
        for name in done:
            bar.update(clips[name])


def _in_processes(
    parts: Iterable[Part], settings: Settings, folder: epath.Path, workers: int
) -> Iterator[str]:
    context = multiprocessing.get_context("spawn")  # jax does not survive a fork
    with concurrent.futures.ProcessPoolExecutor(workers, context, _end_with_parent) as pool:
        made = [pool.submit(make_part, part, settings, os.fspath(folder)) for part in parts]
        try:
            for part in concurrent.futures.as_completed(made):
                yield part.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Ends this process when its parent is killed; the pool would wait for work for ever."""

    def watch():
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _remove_others(folder: epath.Path, names: Sequence[str]) -> None:
    """Deletes parts of earlier preparations and what killed ones left."""
    keep = set(names)
    for path in folder.iterdir():
        if path.name.endswith(".partial") or (
            path.name.startswith("part-") and path.name not in keep
        ):
            path.unlink()
