"""Archives of strangers: hostile pickles, zip bombs, and damage, read as DWPose files."""

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from damage import damaged, survives
from test_dwpose import person, save

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.poses.dwpose import read_dwpose
from signllm_jax.poses.npz import load_npz


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_runs_no_code(tmp_path, protocol):
    witness = tmp_path / "witness"
    payload = pickle.dumps({"body_keypoints": Hostile(witness)}, protocol)
    path = pickled(tmp_path / "a.npz", payload)
    with pytest.raises(PoseFormatError, match=r"a.npz: member 'person_0'"):
        read_dwpose(path, 24.0)
    assert not witness.exists()
    with np.load(path, allow_pickle=True) as archive:  # the file is as hostile as it should be
        archive["person_0"]
    assert witness.exists()


def pickled(path, payload, **members):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("person_0.npy", header.getvalue() + payload)
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize(
    "payload",
    [
        b"\x80\x04]" + b"]a" * 10 + b".",  # lists in lists
        b"\x80\x04" + b"(" * 5000 + b")" + b"t" * 5000 + b".",  # a tower of tuples
        b"\x80\x04}" + b")" + b"\x85" * 3000 + b"K\x01s.",  # as a key
        b"\x80\x04K\x01r\xff\xff\xff\x7f.",  # a memo that would be 32 GB
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",  # a byte array of 1 TB
        b"\x80\x04B\xff\xff\xff\x7fabc.",
        b"\x80\x04cnumpy\nndarray\n(K\xffK\xffK\xffK\xfft\x85R.",  # a huge array by its shape
        b"\x80\x04cnumpy\nload\n\x8c\x01a\x85R.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04}.}",
        b"\x80\x04.",
        b"",
        pickle.dumps({"body_keypoints": {1, 2}}),
        pickle.dumps({"body_keypoints": np.array(["a"])}),
        pickle.dumps({"body_keypoints": np.ma.array([1.0])}),
        pickle.dumps([[[[[[[[[[1]]]]]]]]]]),
    ],
    ids=range(16),
)
def test_pickles_of_anything_but_arrays_and_dictionaries_are_refused(tmp_path, payload):
    with pytest.raises(PoseFormatError, match=r"a.npz"):
        read_dwpose(pickled(tmp_path / "a.npz", payload), 24.0)


@pytest.mark.parametrize("protocol", range(3, 6))
def test_arrays_of_every_pickle_protocol_are_read(tmp_path, protocol):
    one = person()
    one["body_keypoints"] = np.asfortranarray(one["body_keypoints"], ">f4")
    clip = read_dwpose(pickled(tmp_path / "a.npz", pickle.dumps(one, protocol)), 24.0)
    assert clip.observed.all()


def test_a_member_larger_than_it_says_is_refused(tmp_path):
    path = save(tmp_path / "a.npz", a=np.zeros(1000))
    content = bytearray(path.read_bytes())
    place = content.rfind(b"PK\x01\x02") + 24  # the size in the archive's directory
    content[place : place + 4] = struct.pack("<I", 200)
    path.write_bytes(bytes(content))
    with pytest.raises(PoseFormatError, match=r"a.npz: member 'a'"):
        load_npz(path)


@pytest.mark.filterwarnings("ignore:invalid escape:DeprecationWarning")
def test_fifteen_hundred_damaged_pickles_in_sound_archives(tmp_path):
    rng = np.random.default_rng(1)
    content = pickle.dumps(person(), 4)
    taken = sum(
        survives(
            lambda: read_dwpose(pickled(tmp_path / "a.npz", damaged(content, rng)), 24.0), "a.npz"
        )
        for _ in range(1500)
    )
    assert 0 < taken < 1500
