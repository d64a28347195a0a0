"""A stand-in for Google's storage: whole objects in memory, no rename, no append."""

import contextlib
from typing import ClassVar

import fsspec
from etils.epath import backend
from fsspec.implementations.memory import MemoryFileSystem


class FakeBucket(MemoryFileSystem):
    protocol = ("gcs", "gs")
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path):
        for protocol in cls.protocol:
            path = path.removeprefix(f"{protocol}://")
        return "/" + path.strip("/") if path.strip("/") else ""

    def open(self, path, mode="rb", **kwargs):
        assert mode in ("rb", "wb", "r", "w"), f"a bucket has no mode {mode!r}"
        return super().open(path, mode, **kwargs)

    def rename(self, *args, **kwargs):
        raise AssertionError("a bucket has no rename")

    mv = mv_file = rename


@contextlib.contextmanager
def fake_bucket():
    """epath's `gs://` is a FakeBucket, which is empty; yields the class."""
    fsspec.register_implementation("gcs", FakeBucket, clobber=True)
    backend.fsspec_backend._get_filesystem.cache_clear()
    FakeBucket.store, FakeBucket.pseudo_dirs = {}, [""]
    yield FakeBucket
    fsspec.register_implementation("gcs", "gcsfs.GCSFileSystem", clobber=True)
    backend.fsspec_backend._get_filesystem.cache_clear()
