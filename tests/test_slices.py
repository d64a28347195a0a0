"""The command that compiles for TPU slices: meshes, refusals, its reports and their table."""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from signllm_jax.aot.plan import candidates
from signllm_jax.aot.slices import default_shape, devices_per_chip, parse_mesh
from signllm_jax.aot.table import write_page, write_scaling, write_table
from signllm_jax.core.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
REPORT = {
    "program": "train_step",
    "size": "base",
    "lanes": ["asl", "gsl"],
    "topology": "v5e:2x2",
    "mesh": {"language": 2, "fsdp": 2},
    "chips": 4,
    "batch_size": 32,
    "parameters": 80_000_000,
    "hbm_bytes_per_chip": 800_000_000,
    "hbm_limit_bytes": 16 << 30,
    "fits": True,
    "cross_language_bytes": 0,
    "collectives": [{"kind": "all-gather", "axes": ["fsdp"], "count": 3, "bytes": 2_000_000}],
    "cycle_milliseconds": 7.0,
    "interconnect_milliseconds": 1.5,
    "cycle_utilization": 0.456,
    "compile_cpu_seconds": 240.0,
    "versions": {"jax": "0.10.2"},
}


def test_the_table_has_a_row_for_each_report_and_says_what_its_figures_are(tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(REPORT))
    (tmp_path / "a.json").write_text(json.dumps(REPORT | {"chips": 16, "topology": "v5e:4x4"}))
    page = write_page(tmp_path)
    assert "compiler estimate, interconnect excluded" in page and "jax 0.10.2" in page
    rows = [line for line in page.splitlines() if line.startswith("| base")]
    whole, exchanged = rows[:2], rows[2:]
    assert [("v5e:4x4" in row, "45.6%" in row) for row in whole] == [(False, True), (True, True)]
    assert "0.80 of 17.2" in whole[0] and "| 7.00, 1.50 |" in whole[0]
    assert [
        ("v5e:4x4" in row, "3 all-gather over fsdp, 2 MB | 0 |" in row) for row in exchanged
    ] == [
        (False, True),
        (True, True),
    ]


def test_steps_of_the_same_rows_a_chip_are_put_beside_each_other(tmp_path):
    exchange = {"kind": "all-reduce", "axes": ["data"], "count": 1, "bytes": 3_000_000}
    more = {"chips": 16, "topology": "v5e:4x4", "mesh": {"language": 2, "data": 8}}
    more |= {"batch_size": 128, "collectives": [*REPORT["collectives"], exchange]}
    others = ({"batch_size": 512}, {"topology": "v6e:4x4"}, {"size": "large"}, {})
    for place, other in enumerate(others):
        report = REPORT | (more | other if other else {})
        (tmp_path / f"{place}.json").write_text(json.dumps(report))
    assert write_scaling(tmp_path) == ""
    (tmp_path / "more.json").write_text(json.dumps(REPORT | more))
    rows = [line.split(" | ") for line in write_scaling(tmp_path).splitlines() if "base" in line]
    assert all("; 16 rows a chip" in row[0] for row in rows)
    assert [(row[1].split(":")[:2], row[3]) for row in rows] == [
        (["4 chips, v5e", "2x2"], "2"),
        (["16 chips, v5e", "4x4"], "5"),
    ]
    assert "## Weak scaling" in write_page(tmp_path)


def test_the_table_says_which_kernel_a_step_attends_with(tmp_path):
    for name, kind in (("a", "xla"), ("b", "splash")):
        (tmp_path / f"{name}.json").write_text(json.dumps(REPORT | {"attention": kind}))
    one, other = [row for row in write_table(tmp_path).splitlines() if row.startswith("| base")]
    assert "attention" not in one and "splash attention" in other


@pytest.mark.parametrize("text", [None, "{}", "[1]", "nonsense"])
def test_a_table_of_what_is_no_report_is_refused(text, tmp_path):
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match="--table"):
        write_table(tmp_path)


def test_a_mesh_is_read_and_its_faults_are_named():
    devices = jax.devices()
    assert dict(parse_mesh("language:4,tensor:2", devices, 4).shape)["tensor"] == 2
    assert default_shape(8, 16) == {"language": 8, "fsdp": 2}
    assert default_shape(3, 8) == {"language": 1, "fsdp": 8}
    for text, words in (
        ("language:x", "cannot read 'language:x'"),
        ("language:2,language:4", "cannot read 'language:4'"),
        ("depth:8", "unknown mesh axis 'depth'"),
        ("language:3", "does not divide 8 devices"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse_mesh(text, devices, 4)


def test_every_mesh_of_a_sweep_uses_the_whole_slice():
    for lanes, devices in ((8, 16), (8, 256), (4, 4), (3, 8)):
        tried = list(candidates(lanes, devices))
        assert len(set(tried)) == len(tried)
        for text in tried:
            sizes = [int(part.partition(":")[2]) for part in text.split(",")]
            assert jnp.prod(jnp.array(sizes)) == devices


def command(folder, *args, compiler=True):
    """Runs launch/compile.py, with or without the TPU compiler on the path."""
    place = Path(sys.prefix) / "tpu"
    if compiler and not place.is_dir():
        pytest.skip("no TPU compiler here: make test-slow installs it")
    path = os.pathsep.join(filter(None, [str(place) * compiler, os.environ.get("PYTHONPATH", "")]))
    given = ["--config=configs/mlsf.py:fingerspelling", f"--output={folder}/aot.json", *args]
    return subprocess.run(
        [sys.executable, "launch/compile.py", *given],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "args, words",
    [
        ([], ["--topology"]),
        (["--readme=README.md"], ["--table"]),
        (["--topology=v9:2x2"], ["unknown chip 'v9'", "v5e"]),
        (["--topology=v7x:2x2x1"], ["the chip 'v7x' is called tpu7x: tpu7x:2x2x1"]),
        (["--topology=v5e:2x2"], ["pip install -e '.[tpu]'"]),
    ],
    ids=["no topology", "no table", "chip", "another name", "no compiler"],
)
def test_what_cannot_be_compiled_for_is_one_line(args, words, tmp_path):
    result = command(tmp_path, *args, compiler=False)
    assert result.returncode == 2 and len(result.stderr.splitlines()) == 1
    assert all(word in result.stderr for word in words), result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("mesh", ["language:3", "language:4,fsdp:2"])
def test_a_mesh_that_does_not_divide_the_slice_is_refused(mesh, tmp_path):
    result = command(tmp_path, "--topology=v5e:2x2", f"--mesh={mesh}")
    assert result.returncode == 2 and "does not divide 4 devices" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "mesh, rows, words",
    [
        ("language:2,fsdp:2", 3, "mesh: languages: 3 cannot be split over language = 2"),
        ("language:1,fsdp:4", 6, "mesh: rows a language (train.batch_size): 6 cannot be split"),
    ],
)
def test_a_mesh_that_does_not_divide_what_it_splits_is_refused(mesh, rows, words, tmp_path):
    given = ["--config.data.languages=('asl','gsl','tsl')", f"--config.train.batch_size={rows}"]
    result = command(tmp_path, "--topology=v5e:2x2", f"--mesh={mesh}", *given)
    assert result.returncode == 2 and words in result.stderr
    assert len(result.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_chips_are_counted_by_their_coordinates():
    device = collections.namedtuple("device", "coords id")
    cores = [device([x, y, 0], 0) for x in range(2) for y in range(2) for _ in range(2)]
    assert devices_per_chip(cores) == 2
    assert devices_per_chip(cores[::2]) == 1
    assert devices_per_chip(jax.devices()) == 1  # of a CPU each counts as a chip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("topology", "devices", "chips"), [("tpu7x:2x2x1", 8, 4), ("v5e:1x1", 1, 1), ("v6e:1x1", 1, 1)]
)
def test_chips_and_devices_are_reported_apart(topology, devices, chips, tmp_path):
    """A device of TPU7x is half a chip; one chip is a slice as well."""
    given = ["--config.data.languages=('asl',)", f"--config.train.batch_size={devices}"]
    given += ["--config.rl.plc=False", f"--topology={topology}"]
    result = command(tmp_path, *given)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "aot.json").read_text())
    assert (report["devices"], report["chips"]) == (devices, chips)
    assert report["hbm_bytes_per_chip"] == report["hbm_bytes_per_device"] * devices // chips
    assert report["fits"] and report["cross_language_bytes"] == 0
    if topology.startswith("tpu7x"):
        assert report["hbm_limit_bytes"] == 2 * (94 << 30)


@pytest.mark.slow
def test_a_slice_that_does_not_exist_is_refused(tmp_path):
    result = command(tmp_path, "--topology=v5e:3x7")
    assert result.returncode == 2 and "no such slice" in result.stderr


def compiled(folder, *args):
    """The report of two languages on two by two chips, none of whose bytes passes between them."""
    mesh = ["--topology=v5e:2x2", "--mesh=language:2,fsdp:2"]
    result = command(folder, *mesh, "--config.data.languages=('asl','gsl')", *args)
    assert result.returncode == 0, result.stderr
    assert "0 bytes between languages" in result.stdout
    report = json.loads((folder / "aot.json").read_text())
    assert report["cross_language_bytes"] == 0
    assert {tuple(one["axes"]) for one in report["collectives"]} == {("fsdp",)}
    return report


def test_long_rows_are_listed_with_the_kernels_that_are_not_counted(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(REPORT))
    assert "Long rows" not in write_page(tmp_path)
    (tmp_path / "long").mkdir()
    row = {"row_frames": 1024, "attention": "xla", "uncounted_kernels": 0}
    (tmp_path / "long" / "b.json").write_text(json.dumps(REPORT | row))
    kernel = {"attention": "splash", "uncounted_kernels": 6, "cycle_utilization": None}
    report = {k: v for k, v in (REPORT | row | kernel).items() if v is not None}
    (tmp_path / "long" / "a.json").write_text(json.dumps(report))
    rows = [r for r in write_page(tmp_path).splitlines() if "rows of 1024 frames |" in r]
    assert len(rows) == 2 and "| xla |" in rows[0] and rows[0].endswith("| 7.00 | 45.6% |")
    assert "| splash |" in rows[1] and rows[1].endswith("| 7.00 and 6 kernels |  |")


@pytest.mark.slow
def test_a_tiny_config_is_compiled_for_a_slice_without_a_byte_between_languages(tmp_path):
    report = compiled(tmp_path, "--config.train.batch_size=6", "--config.rl.strata=2")
    assert report["chips"] == 4 and report["hbm_limit_bytes"] == 16 << 30
    assert report["fits"] is True and 1e6 < report["hbm_bytes_per_chip"] < 1e9
    assert report["uncounted_share"] <= 0.05 and 0 < report["cycle_utilization"] < 1


@pytest.mark.slow
def test_a_step_with_a_kernel_is_compiled_and_no_utilization_is_claimed_for_it(tmp_path):
    long = ["--config.data.row_frames=1024", "--config.model.attention=splash"]
    report = compiled(tmp_path, "--config.train.batch_size=6", "--config.rl.strata=2", *long)
    assert report["attention"] == "splash"
    assert report["uncounted_kernels"] == 2 * 3  # two layers: forth, and back for queries and keys
    assert "cycle_utilization" not in report


@pytest.mark.slow
def test_generation_stops_early_without_a_byte_between_languages(tmp_path):
    """Devices of one language still agree on when to stop."""
    report = compiled(tmp_path, "--decode", "--config.eval.batch_size=4")
    assert report["program"] == "generate"
    steps = report["max_frames"] // 8
    counts = {one["kind"]: one["count"] for one in report["collectives"]}
    assert counts["all-reduce"] == steps  # whether all clips have ended
    assert 0 < counts["all-gather"] < 3 * steps  # the weights once, not in every step
