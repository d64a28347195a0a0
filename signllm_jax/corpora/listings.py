"""The listing of a prepared split, in files that are mapped into memory instead of being read.

A split of n clips has three files beside its records: `SPLIT-strings.npy`, the id, the text and the
gloss of every clip one after the other in UTF-8; `SPLIT-ends.npy` int64 [n, 3], where each of them
ends; `SPLIT-lengths.npy` int32 [n], the numbers of frames. All processes of a machine share their
pages.
"""

import array
import dataclasses
import io
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from etils import epath

from signllm_jax.core.errors import DataError
from signllm_jax.core.storage import is_remote
from signllm_jax.corpora.digests import listing_digest

COLUMNS = ("id", "text", "gloss")


@dataclasses.dataclass(eq=False)
class Column(Sequence):
    """The strings of a column, or items made from them, each read when it is needed.

    Attributes:
        strings: uint8, all strings in UTF-8.
        ends: int64 [n, 3], where the id, the text and the gloss of each clip end.
        column: index of the column in `COLUMNS`.
        digest: digest of the whole listing, the same for each column.
        make: makes an item of a string.
    """

    strings: np.ndarray
    ends: np.ndarray
    column: int
    digest: str = ""
    make: Callable[[str], object] = str

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        number = index * self.ends.shape[1] + self.column
        ends = self.ends.reshape(-1)
        start = int(ends[number - 1]) if number else 0
        try:
            text = self.strings[start : int(ends[number])].tobytes().decode()
        except UnicodeDecodeError:
            raise DataError(f"clip {index}: its listing is damaged") from None
        return self.make(text)

    def __eq__(self, other) -> bool:
        return len(self) == len(other) and all(map(operator.eq, self, other))


def write_listing(
    folder: str | os.PathLike, split: str, examples: Iterable[dict], described: dict
) -> Iterator[dict]:
    """Passes examples on, and writes the listing of them when the last one has gone.

    Args:
        folder: folder of the records.
        split: name of the split.
        examples: examples with `id`, `text`, `gloss` and `pose` [T, ...].
        described: gets `clips`, the number of clips, and `listing`, the digest of the listing.
    """
    strings, ends, lengths = bytearray(), array.array("q"), array.array("i")
    for example in examples:
        for name in COLUMNS:
            strings += example[name].encode()
            ends.append(len(strings))
        lengths.append(len(example["pose"]))
        yield example
    columns = {
        "strings": np.frombuffer(strings, np.uint8),
        "ends": np.array(ends, np.int64).reshape(-1, len(COLUMNS)),
        "lengths": np.array(lengths, np.int32),
    }
    for name, values in columns.items():
        held = io.BytesIO()
        np.save(held, values, allow_pickle=False)
        (epath.Path(folder) / f"{split}-{name}.npy").write_bytes(held.getvalue())
    texts = (Column(columns["strings"], columns["ends"], i) for i in range(len(COLUMNS)))
    described |= {"clips": len(lengths), "listing": listing_digest(*texts, lengths)}


def read_columns(folder: str | os.PathLike, split: str, described: dict) -> tuple[tuple, str]:
    """Reads the listing of a split.

    Args:
        folder: folder of the records; files of a bucket are read into memory.
        split: name of the split.
        described: the dictionary that `write_listing` fills; that of older data has the columns.

    Returns:
        Ids, texts, the gloss of each clip split at spaces, and lengths int32; and their digest.

    Raises:
        DataError: a file is missing, or has another number of clips.
    """
    if "clips" not in described:
        columns = [described.get(name, []) for name in ("ids", "texts", "glosses", "lengths")]
        ids, texts, glosses, lengths = columns
        units = [gloss.split() for gloss in glosses]
        return (ids, texts, units, np.array(lengths, np.int32)), listing_digest(*columns)
    names = (f"{split}-{name}.npy" for name in ("strings", "ends", "lengths"))
    strings, ends, lengths = (_load(folder, name) for name in names)
    clips = described["clips"]
    last = int(ends[-1, -1]) if clips and ends.shape == (clips, len(COLUMNS)) else 0
    shapes = strings.shape, ends.size, lengths.shape
    types = [values.dtype for values in (strings, ends, lengths)]
    wanted = (last,), clips * len(COLUMNS), (clips,)
    if shapes != wanted or types != [np.uint8, np.int64, np.int32]:
        raise DataError(
            f"{folder}: the listing of {split} is not of its {clips} clips: delete the folder and "
            "prepare it again"
        )
    digest = described["listing"]
    ids, texts = (Column(strings, ends, column, digest) for column in (0, 1))
    return (ids, texts, Column(strings, ends, 2, digest, str.split), lengths), digest


def _load(folder: str | os.PathLike, name: str) -> np.ndarray:
    path = epath.Path(folder) / name
    try:
        if is_remote(path):
            return np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if not path.is_file():
            raise DataError(f"{path}: is missing: delete the folder and prepare it again")
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason})") from None
