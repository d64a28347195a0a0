"""Writing to buckets, which have no rename, append or locks.

A file of a bucket appears when it is closed, so a file that is written last marks a complete set.
"""

import tempfile
from pathlib import Path

from signllm_jax.core.errors import CheckpointError, reason
from signllm_jax.core.storage import AnyPath


def local_stand_in(path: AnyPath, names: tuple[str, ...]) -> Path:
    """A fresh local folder for files that grow, with the bucket's copies of `names` in it."""
    folder = Path(tempfile.mkdtemp(prefix="signllm-"))
    for name in names:
        if (path / name).exists():
            (folder / name).write_bytes((path / name).read_bytes())
    return folder


def upload(folder: Path, path: AnyPath) -> None:
    """Writes the files of a local folder to the bucket."""
    for file in sorted(folder.iterdir()):
        write_object(path / file.name, file.read_bytes())


def write_object(path: AnyPath, data: bytes) -> None:
    """Writes a file of a bucket; raises CheckpointError when that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except Exception as error:  # every client has exceptions of its own
        raise CheckpointError(f"{path}: cannot be written: {reason(error)}") from None
