"""Copies what a run has learned out of its work directory: groups, a model card, and digests.

`model.json` lists the digests of all files but the card, which may be edited.

An export is what `SignLLM.load`, `--extend-from` and `config.init_from` read, without checkpoints,
logs or paths of the machine that trained it.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import jax

from signllm_jax.artifacts import model_card
from signllm_jax.artifacts.group import copy_group, digest, load_group, save_group, write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import CheckpointError, ConfigError, OutputError, reason
from signllm_jax.core.plain_files import appearing, read_plain
from signllm_jax.core.schema import parse_json, read_as
from signllm_jax.core.storage import ask_for, is_remote
from signllm_jax.core.tasks import get_info
from signllm_jax.core.version import __version__
from signllm_jax.text.language_names import code_of

MANIFEST, CARD = "model.json", "README.md"
PRETRAINED = Path(__file__).parent / "pretrained"
"""The export that comes with the package; `make pretrained` makes it."""
_MOST = 1 << 24  # bytes of the list of files


@dataclasses.dataclass(frozen=True)
class ExportFile:
    """The keys that are read from `model.json`: `files`, the SHA-256 of every file by its path."""

    files: dict[str, str]


def export_run(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    languages: Sequence[str] = (),
    stored: str = "",
    measure: Callable[[Path], dict[str, dict]] | None = None,
    command: str = "",
) -> dict:
    """Writes an export of a run; the folder appears when it is complete.

    Args:
        workdir: Work directory of a trained run, or another export.
        output: Folder to make.
        languages: Codes of the groups to copy; all by default.
        stored: Number format of the parameters, one of `compact.FORMS`; by default the files are
            copied byte for byte.
        measure: Function from the export's folder to figures per language, which the card shows
            beside those of the run's own report; it must not write to the folder.
        command: Command that makes this export, for the card.

    Returns:
        The content of `model.json`.

    Raises:
        CheckpointError: The run or a group cannot be read.
        ConfigError: The run has no such language, or its languages share one group.
        OutputError: The output exists or cannot be written.
    """
    ask_for(workdir, CheckpointError)
    run, output = Workdir(workdir), Path(output)
    config, trained = run.read_config()
    kept = run.read_kept()
    has = (*kept, *trained)
    info = get_info(config.task)
    if info.shared and languages:
        raise ConfigError(f"{workdir}: its languages share one group: they go together")
    languages = [code_of(name) or name for name in languages]
    if missing := [code for code in languages if code not in has]:
        raise ConfigError(f"{workdir}: has no {missing[0]!r}: it has {', '.join(has)}")
    chosen = [code for code in has if code in (languages or has)]
    names = info.groups(chosen)
    if output.exists():
        raise OutputError(f"{output}: exists already")
    groups = {name: load_group(run.group(name), reading=config.reader) for name in names}
    data = dataclasses.replace(config.data, data_dir="")
    plain = dataclasses.replace(config, init_from="", extend_from="", data=data)
    with appearing(output, OutputError) as beside:
        for name in names:
            folder = Workdir(beside).group(name)
            if stored:
                save_group(folder, groups[name], stored)
                groups[name] = load_group(folder, reading=config.reader)
            else:
                copy_group(run.group(name), folder)
        trained, kept = (tuple(c for c in codes if c in chosen) for codes in (trained, kept))
        Workdir(beside).claim(plain, trained, kept)
        described = {
            "signllm_jax": __version__,
            "task": config.task,
            "size": config.size,
            "languages": chosen,
            "groups": {name: _describe(group) for name, group in groups.items()},
            "reports": model_card.figures(run, chosen),
        }
        measured = measure(beside) if measure else None
        optional = {"stored": stored, "command": command, "measured": measured}
        described |= {name: value for name, value in optional.items() if value}
        described["files"] = file_digests(beside)
        write_file(beside / CARD, model_card.write(described, groups).encode())
        described["sha256"] = hashlib.sha256(json.dumps(described["files"]).encode()).hexdigest()
        write_file(beside / MANIFEST, json.dumps(described, indent=1).encode())
    return described


def _describe(group) -> dict:
    return {
        "dataset": group.dataset,
        "step": group.step,
        "dev_score": group.dev_score,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(group.params)),
        "params_sha256": digest(group.params),
    }


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder by its path in the folder, sorted."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(files.items())
    }


def check_export(run: Workdir) -> None:
    """Raises CheckpointError naming the first file of an export that is not as it was written.

    A run that is no export is left alone.
    """
    manifest = run.path / MANIFEST
    if not manifest.exists() and (is_remote(manifest) or not Path(manifest).is_symlink()):
        return
    try:
        values = parse_json(read_plain(run.path, MANIFEST, _MOST))
        for name, sha256 in read_as(ExportFile, values, MANIFEST, strict=False).files.items():
            if hashlib.sha256(read_plain(run.path, name)).hexdigest() != sha256:
                raise CheckpointError(f"{run.path / name}: is not the file that was exported")
    except (OSError, ConfigError) as error:
        raise CheckpointError(f"{manifest}: no readable export ({reason(error)})") from None
