"""Damaged checkpoints, full disks and numbers that are not finite: what is good is never lost."""

import asyncio
import gc
import itertools
import json
import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from commands import TINY, Poison, flags, run

from signllm_jax.core import cli
from signllm_jax.core.errors import CheckpointError
from signllm_jax.parallel import sharding
from signllm_jax.train import checkpoint
from signllm_jax.train.checkpoint import Checkpoints, checksums, restore_params

DAMAGES = {
    "missing": lambda path, data: path.unlink(),
    "emptied": lambda path, data: path.write_bytes(b""),
    "truncated": lambda path, data: path.write_bytes(data[: len(data) // 2]),
    "half-written": lambda path, data: path.write_bytes(
        data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    ),
}


def state(step, mesh=None):
    """Arrays of every type that a train state holds."""
    place = None
    if mesh is not None:
        place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("language", "fsdp"))
    put = lambda x: x if place is None else jax.device_put(x, place)  # noqa: E731
    random = np.random.default_rng(step)
    return {
        "params": {
            "kernel": put(random.normal(size=(8, 16, 24)).astype(np.float32)),
            "half": put(jnp.asarray(random.normal(size=(8, 8)), jnp.bfloat16)),
        },
        "opt_state": {"mu": put(random.normal(size=(8, 16, 24)).astype(np.float32))},
        "step": jnp.asarray(step, jnp.int32),
        "active": jnp.ones((8,), bool),
        "key": jax.random.key(step),
    }


def shape_of(tree):
    def shape(leaf):
        place = getattr(leaf, "sharding", None) or jax.devices()[0]
        if not isinstance(place, jax.sharding.Sharding):
            place = jax.sharding.SingleDeviceSharding(place)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)

    return jax.tree.map(shape, tree)


def equal(a, b):
    a, b = (
        jax.tree.map(
            lambda x: np.asarray(
                jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
            ).tobytes(),
            tree,
        )
        for tree in (a, b)
    )
    return a == b


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A work directory with the checkpoints 10 and 20."""
    folder = tmp_path_factory.mktemp("saved")
    checkpoints = Checkpoints(folder / "checkpoints", keep=2)
    for step in (10, 20):
        checkpoints.save(step, jax.tree.map(jnp.asarray, state(step)), {"best": step / 100})
    checkpoints.wait()
    checkpoints.close()
    return folder


def files(folder, step):
    found = (path for path in (folder / "checkpoints" / str(step)).rglob("*") if path.is_file())
    return sorted(path.relative_to(folder) for path in found)


def restored(folder):
    said = []
    checkpoints = Checkpoints(folder / "checkpoints", keep=2)
    try:
        return *checkpoints.restore(shape_of(state(20)), said.append), said
    finally:
        checkpoints.close()


@pytest.mark.parametrize("ways", [1, pytest.param(len(DAMAGES), marks=pytest.mark.slow)])
def test_the_one_before_is_restored_whichever_file_of_the_newest_is_damaged(saved, tmp_path, ways):
    """Each file in turn, in one of the ways in turn or in all of them."""
    names = files(saved, 20)
    assert len(names) > 10
    in_turn = itertools.cycle(DAMAGES.items())
    for number, name in enumerate(names):
        for how, damage in itertools.islice(in_turn, ways):
            folder = tmp_path / f"{number}-{how}"
            shutil.copytree(saved, folder)
            damage(folder / name, (saved / name).read_bytes())
            found, record, said = restored(folder)
            assert equal(found, state(10)), (name, how)
            assert record == {"best": 0.1}
            assert len(said) == 1
            assert f"checkpoint 20 is damaged ({name.relative_to('checkpoints/20')} is " in said[0]
            assert "going on from checkpoint 10" in said[0]
            assert (folder / "damaged" / "20").is_dir()
            shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "heard"), [("_read_array_index_and_device_put", []), ("another", ["another"])]
)
def test_reads_that_are_given_up_end_unheard_and_all_else_is_heard(name, heard, monkeypatch):
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: said.append(told.object.__qualname__))
    checkpoint._late_reads_unheard()

    async def read():
        try:
            await asyncio.sleep(0)
        finally:
            raise ValueError("given up")

    given_up = read()
    given_up.__qualname__ = name
    given_up.send(None)
    del given_up
    gc.collect()
    assert said == heard


@pytest.fixture
def unlisted(monkeypatch):
    """Leaves it to orbax and to the checksums of arrays to notice damage, as in large files."""
    monkeypatch.setattr(checkpoint, "check_file_list", lambda folder: None)


@pytest.mark.slow
def test_what_is_restored_is_exact_without_the_list_of_files(saved, tmp_path, unlisted):
    before = 0
    for number, name in enumerate(files(saved, 20)):
        for how, damage in DAMAGES.items():
            folder = tmp_path / f"{number}-{how}"
            shutil.copytree(saved, folder)
            damage(folder / name, (saved / name).read_bytes())
            found, record, said = restored(folder)
            step = int(found["step"])
            assert equal(found, state(step)), (name, how)
            assert record == {"best": step / 100}
            before += step == 10
            assert len(said) == (step == 10)
            shutil.rmtree(folder)
    assert before > 10


def test_the_largest_file_is_needed(saved, tmp_path, unlisted):
    largest = max(files(saved, 20), key=lambda name: (saved / name).stat().st_size)
    for how, damage in DAMAGES.items():
        shutil.copytree(saved, tmp_path / how)
        damage(tmp_path / how / largest, (saved / largest).read_bytes())
        assert int(restored(tmp_path / how)[0]["step"]) == 10


def test_flipped_bits_are_noticed(saved, tmp_path, unlisted):
    largest = max(files(saved, 20), key=lambda name: (saved / name).stat().st_size)
    data = bytearray((saved / largest).read_bytes())
    for place in np.random.default_rng(0).integers(len(data), size=20):
        folder = tmp_path / str(place)
        shutil.copytree(saved, folder)
        flipped = data.copy()
        flipped[place] ^= 1
        (folder / largest).write_bytes(flipped)
        found, _, _ = restored(folder)
        assert equal(found, state(int(found["step"])))
        shutil.rmtree(folder)


def test_all_damaged_is_an_error_and_nothing_is_deleted(saved, tmp_path):
    folder = tmp_path / "all"
    shutil.copytree(saved, folder)
    for step in (10, 20):
        (folder / f"checkpoints/{step}/state/manifest.ocdbt").write_bytes(b"")
    before = sorted(map(str, folder.rglob("*")))
    with pytest.raises(
        CheckpointError, match=r"none of 2 checkpoints can be read.*nothing was del"
    ):
        restored(folder)
    assert sorted(map(str, folder.rglob("*"))) == before


def test_checksums_are_the_same_on_every_mesh_and_tell_every_change():
    plain = checksums(jax.tree.map(jnp.asarray, state(1)))
    for shape in ((8, 1, 1, 1), (1, 1, 8, 1), (2, 1, 4, 1)):
        mesh = sharding.make_mesh(dict(zip(sharding.MESH_AXES, shape)))
        assert checksums(jax.tree.map(jnp.asarray, state(1, mesh))) == plain
    changed = state(1)
    kernel = changed["params"]["kernel"]
    kernel[0, 0, [0, 1]] = kernel[0, 0, [1, 0]]
    assert checksums(jax.tree.map(jnp.asarray, changed)) != plain
    kernel[:] = 0
    assert checksums(jax.tree.map(jnp.asarray, changed)) != plain


def test_restoring_on_other_meshes_is_exact(tmp_path):
    mesh = sharding.make_mesh({"data": 8})
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    checkpoints.save(5, jax.tree.map(jnp.asarray, state(5, mesh)), {})
    checkpoints.wait()
    for other in (sharding.make_mesh({"language": 4, "fsdp": 2}), None):
        found, _ = checkpoints.restore(shape_of(jax.tree.map(jnp.asarray, state(5, other))))
        assert equal(found, state(5))
        like = shape_of(jax.tree.map(jnp.asarray, state(5, other)["params"]))
        assert equal(restore_params(tmp_path / "checkpoints", like), state(5)["params"])
    checkpoints.close()


def test_damaged_parameters_are_not_read(saved, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(saved, folder)
    like = shape_of(jax.tree.map(jnp.asarray, state(20)["params"]))
    assert equal(restore_params(folder / "checkpoints", like), state(20)["params"])
    record = folder / "checkpoints/20/record/metadata"
    values = json.loads(record.read_text())
    values["checksums"]["params/kernel"][0] ^= 1
    record.write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="params/kernel is not what was saved"):
        restore_params(folder / "checkpoints", like)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_the_last_good_checkpoint(small_disk):
    small = jax.tree.map(jnp.asarray, state(10))
    checkpoints = Checkpoints(small_disk / "checkpoints", keep=2)
    checkpoints.save(10, small, {})
    checkpoints.wait()
    noise = np.random.default_rng(0).normal(size=(1 << 21,)).astype(np.float32)  # 8 MB
    with pytest.raises(CheckpointError, match="no space left on the disk"):
        checkpoints.save(20, {**small, "noise": jnp.asarray(noise)}, {})
        checkpoints.wait()
    checkpoints.close()
    assert checkpoints.newest() == 10
    found, _ = checkpoints.restore(shape_of(small))
    assert equal(found, small)
    checkpoints.close()


@pytest.mark.slow
def test_training_on_a_full_disk_stops_with_one_line(small_disk, tmp_path, data_dir):
    values = {"train.steps": 2000, "eval.every": 100, "checkpoint.every": 20, "checkpoint.keep": 99}
    args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={small_disk}/run"]
    args += flags(TINY | {"data.data_dir": data_dir} | values)
    code, out, err = run(tmp_path, "train", args)
    assert code == cli.BAD_INPUT, err
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    assert "no space left" in err.lower()
    left = Checkpoints(small_disk / "run/checkpoints", keep=99)
    assert left.newest() >= 20
    left.close()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path, data_dir):
    args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path}/run"]
    # with the replay buffer such clips would be quarantined and training would go on
    args += flags(TINY | {"data.data_dir": data_dir, "rl.plc": False, "rl.loss": "mse"})
    code, out, err = run(tmp_path, "train", args, hook=Poison(step=6))
    assert code == cli.BAD_INPUT, err
    assert err.startswith("train.py: asl: the loss is nan at step 6; checkpoint 4 is kept in ")
    assert err.count("\n") == 1
    assert "Traceback" not in out + err
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir()) == ["4"]
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 5
