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

from signllm_jax.artifacts import model_card
from signllm_jax.artifacts.group import copy_group, digest, load_group, save_group, write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import CheckpointError, ConfigError, OutputError
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
    """What is asked of `model.json`: `files`, the SHA-256 of every file by its path."""

    files: dict[str, str]


def export_run(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    languages: Sequence[str] = (),
    stored: str = "",
    measure: Callable[[Path], dict[str, dict]] | None = None,
    command: str = "",
) -> dict:
    """Writes an export of a run; the folder appears when it is whole.

    Args:
        workdir: a trained run, or another export.
        output: folder to make.
        languages: codes of the groups to copy; all by default.
        stored: how parameters are, of `compact.FORMS`; by default as they lie there, byte for byte.
        measure: figures of each language that are measured on the export itself, to stand beside
            those of the run's own report; it takes the folder, and writes nothing there.
        command: what makes this export, for the card.

    Returns:
        What is written to `model.json`.

    Raises:
        CheckpointError: the run or a group cannot be read.
        ConfigError: the run has no such language, or its languages share one group.
        OutputError: the output exists or cannot be written.
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
    plain = dataclasses.replace(
        config, init_from="", extend_from="", data=dataclasses.replace(config.data, data_dir="")
    )
    with appearing(output, OutputError) as beside:
        for name in names:
            if stored:
                save_group(Workdir(beside).group(name), groups[name], stored)
            else:
                copy_group(run.group(name), Workdir(beside).group(name))
        Workdir(beside).claim(
            plain,
            tuple(code for code in trained if code in chosen),
            tuple(code for code in kept if code in chosen),
        )
        if stored:
            exported = Workdir(beside)
            groups = {
                name: load_group(exported.group(name), reading=config.reader) for name in names
            }
        described = {
            "signllm_jax": __version__,
            "task": config.task,
            "size": config.size,
            "languages": chosen,
            "groups": {name: _describe(group) for name, group in groups.items()},
            "reports": model_card.figures(run, chosen),
        }
        if stored:
            described["stored"] = stored
        if command:
            described["command"] = command
        if measure is not None:
            described["measured"] = measure(beside)
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
        "parameters": sum(leaf.size for leaf in _leaves(group.params)),
        "params_sha256": digest(group.params),
    }


def _leaves(tree):
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else (value,)


def file_digests(folder) -> dict[str, str]:
    """SHA-256 of every file of a folder by its path in it, sorted."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(found.items()))


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
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{manifest}: no readable export ({reason})") from None
