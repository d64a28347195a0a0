"""Programs for TPU slices: what their text is read to say, and the command that compiles them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from tiny import mesh_of

from signllm_jax.aot.chips import CHIPS
from signllm_jax.aot.estimate import estimate
from signllm_jax.aot.flops import matmul_flops
from signllm_jax.aot.plan import candidates
from signllm_jax.aot.slices import default_shape, parse_mesh
from signllm_jax.aot.table import write_page, write_table
from signllm_jax.errors import ConfigError
from signllm_jax.parallel import hlo
from signllm_jax.parallel.collectives import cross_language_bytes

ROOT = Path(__file__).resolve().parents[1]
CHIP = CHIPS["v5e"]
LOOP = """HloModule jit_step, is_scheduled=true

%inside (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  %g = f32[8]{0} all-gather(%p), replica_groups=[4,2]<=[8], frontend_attributes={chain_id="3"}
  ROOT %n = f32[8]{0} negate(%g)
}

%outside (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %g = f32[8]{0} all-gather(%p), replica_groups=[4,2]<=[8], frontend_attributes={chain_id="3"}
}

%body (state: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state = (s32[], f32[8]{0}) parameter(0)
  %x = f32[8]{0} get-tuple-element(%state), index=1
  %a = f32[8]{0} fusion(%x), kind=kLoop, calls=%inside, backend_config={"estimated_cycles":"100"}
  %b = f32[8]{0} fusion(%a), kind=kCustom, calls=%outside
  ROOT %t = (s32[], f32[8]{0}) tuple(%x, %b)
}

%test (state: (s32[], f32[8])) -> pred[] {
  %state = (s32[], f32[8]{0}) parameter(0)
  ROOT %c = pred[] constant(true)
}

ENTRY %main (x: (s32[], f32[8])) -> f32[8] {
  %x = (s32[], f32[8]{0}) parameter(0)
  %w = (s32[], f32[8]{0}) while(%x), condition=%test, body=%bodyTRIPS
  %y = f32[8]{0} get-tuple-element(%w), index=1
  %k = f32[8]{0} add(%y, %y), backend_config={"estimated_cycles":"7"}
  ROOT %s = f32[8]{0} sort(%k), dimensions={0}
}
"""
KNOWN = LOOP.replace("TRIPS", ', backend_config={"known_trip_count":{"n":"5"}}')
UNKNOWN = LOOP.replace("TRIPS", "")


def test_a_loop_counts_as_often_as_it_runs_and_a_spread_collective_once():
    cost = estimate(KNOWN, mesh_of(4, 1, 2, 1), CHIP)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(5 * 100 + 7)
    assert cost.collectives == {("all-gather", ("fsdp",)): (5, 5 * 32)}
    assert cost.link_seconds == pytest.approx(5 * 32 / 2 / CHIP.link_bandwidth)
    assert list(cost.uncounted) == ["sort"]  # read and written once
    assert cost.uncounted_seconds == pytest.approx(64 / CHIP.hbm_bandwidth)


def test_a_loop_of_unknown_length_is_an_error_unless_its_length_is_given():
    with pytest.raises(ValueError, match="unknown length"):
        estimate(UNKNOWN, mesh_of(4, 1, 2, 1), CHIP)
    cost = estimate(UNKNOWN, mesh_of(4, 1, 2, 1), CHIP, default_trips=9)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(907)


MOVES = """HloModule jit_step, is_scheduled=true

%take (store: f32[1000,8], at: s32[4]) -> f32[4,8] {
  %store = f32[1000,8]{1,0} parameter(0)
  %at = s32[4]{0} parameter(1)
  ROOT %g = f32[4,8]{1,0} gather(%store, %at), offset_dims={1}, slice_sizes={1,8}
}

%give (store: f32[1000,8], at: s32[4], new: f32[4,8]) -> f32[1000,8] {
  %store = f32[1000,8]{1,0} parameter(0)
  %at = s32[4]{0} parameter(1)
  %new = f32[4,8]{1,0} parameter(2)
  ROOT %s = f32[1000,8]{1,0} scatter(%store, %at, %new), update_window_dims={1}, to_apply=%last
}

ENTRY %main (x: f32[1000,8], at: s32[4]) -> f32[1000,8] {
  %x = f32[1000,8]{1,0} parameter(0)
  %at = s32[4]{0} parameter(1)
  %some = f32[4,8]{1,0} fusion(%x, %at), kind=kCustom, calls=%take
  ROOT %y = f32[1000,8]{1,0} fusion(%x, %at, %some), kind=kCustom, calls=%give
}

%last (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  ROOT %b = f32[] parameter(1)
}
"""


def test_a_store_is_charged_for_what_is_taken_from_it_and_put_into_it():
    cost = estimate(MOVES, mesh_of(4, 1, 2, 1), CHIP)
    taken, put, index = 2 * 4 * 8 * 4, 3 * 4 * 8 * 4, 2 * 4 * 4
    assert cost.uncounted_seconds == pytest.approx((taken + put + index) / CHIP.hbm_bandwidth)


def test_loops_that_stop_early_run_as_often_as_each_is_given():
    two = UNKNOWN.replace(
        "  %y =", "  %v = (s32[], f32[8]{0}) while(%w), condition=%test, body=%body\n  %y ="
    )
    cost = estimate(two, mesh_of(4, 1, 2, 1), CHIP, default_trips=(9, 2))
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(1107)
    with pytest.raises(ValueError, match="unknown length"):
        estimate(two, mesh_of(4, 1, 2, 1), CHIP, default_trips=(9,))


COUNTED = """HloModule jit_step, is_scheduled=true

%body (state: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state = (s32[]{:T(128)}, f32[8]{0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %x = f32[8]{0} get-tuple-element(%state), index=1
  %one = s32[] constant(1)
  %next = s32[] add(%i, %one)
  %n = f32[8]{0} negate(%x), backend_config={"estimated_cycles":"10"}
  ROOT %t = (s32[], f32[8]{0}) tuple(%next, %n)
}

%test (state: (s32[], f32[8])) -> pred[] {
  %limit = s32[]{:T(128)} constant(20)
  %state = (s32[], f32[8]{0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i, %limit), direction=LT, metadata={op_name="while/cond/lt"}
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %first = s32[] constant(3)
  %start = (s32[], f32[8]{0}) tuple(%first, %x)
  %w = (s32[], f32[8]{0}) while(%start), condition=%test, body=%body
  ROOT %y = f32[8]{0} get-tuple-element(%w), index=1
}
"""


def test_a_loop_from_a_constant_to_a_constant_is_counted_from_its_text():
    cost = estimate(COUNTED, mesh_of(4, 1, 2, 1), CHIP)
    assert cost.cycle_seconds * CHIP.clock == pytest.approx(17 * 10)


@pytest.mark.parametrize(
    "was, now",
    [
        ("direction=LT", "direction=NE"),
        ("%one = s32[] constant(1)", "%one = s32[] constant(2)"),
        ("%first = s32[] constant(3)", "%first = s32[] copy(%x)"),
        ("tuple(%next, %n)", "tuple(%i, %n)"),
        (
            "%limit = s32[]{:T(128)} constant(20)",
            "%limit = s32[] get-tuple-element(%state), index=0",
        ),
    ],
)
def test_a_loop_of_any_other_form_is_an_error(was, now):
    assert was in COUNTED
    with pytest.raises(ValueError, match="unknown length"):
        estimate(COUNTED.replace(was, now), mesh_of(4, 1, 2, 1), CHIP)


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
    assert [("v5e:4x4" in row, "45.6%" in row) for row in rows] == [(False, True), (True, True)]
    assert "3 all-gather over fsdp, 2 MB" in rows[0] and "0.80 of 17.2" in rows[0]


@pytest.mark.parametrize("text", [None, "{}", "[1]", "nonsense"])
def test_a_table_of_what_is_no_report_is_refused(text, tmp_path):
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match="--table"):
        write_table(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "HloModule x\n", KNOWN.replace("%k = f32[8]{0} add", "nonsense")]
)
def test_what_is_no_module_is_an_error(text):
    with pytest.raises(ValueError):
        hlo.read_program(text)


def test_products_are_counted_also_in_a_scan():
    a, b = jnp.zeros((2, 3, 4)), jnp.zeros((2, 4, 5))
    product = lambda a, b: jnp.einsum("bij,bjk->bik", a, b)  # noqa: E731
    assert matmul_flops(product, a, b) == 2 * 2 * 3 * 5 * 4

    def five_times(x):
        return jax.lax.scan(lambda x, _: (x @ x, None), x, length=5)[0]

    assert matmul_flops(jax.jit(five_times), jnp.zeros((6, 6))) == 5 * 2 * 6**3


def test_products_of_a_fusion_are_counted_from_its_text():
    compiled = jax.jit(lambda a, b: jnp.tanh(a @ b)).lower(*[jnp.zeros((8, 8))] * 2).compile()
    program = hlo.read_program(compiled.as_text())
    assert hlo.matrix_flops(program, program.entry) == 2 * 8**3


def test_a_planted_sum_over_languages_is_caught():
    mesh = mesh_of(4, 1, 2, 1)
    placed = NamedSharding(mesh, PartitionSpec("language", "fsdp"))
    x = jax.ShapeDtypeStruct((4, 8), jnp.float32, sharding=placed)

    def compiled(function):
        return jax.jit(function, out_shardings=placed).lower(x).compile().as_text()

    assert cross_language_bytes(compiled(lambda x: x - x.mean(1, keepdims=True)), mesh) == 0
    assert cross_language_bytes(compiled(lambda x: x - x.mean(0, keepdims=True)), mesh) > 0


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
    given = ["--config=configs/mlsf.py", f"--output={folder}/aot.json", *args]
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
        (["--topology=v9:2x2"], ["unknown chip 'v9'", "v5e"]),
        (["--topology=v5e:2x2"], ["pip install 'signllm_jax[tpu]'"]),
    ],
    ids=["no topology", "chip", "no compiler"],
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
def test_a_slice_that_does_not_exist_is_refused(tmp_path):
    result = command(tmp_path, "--topology=v5e:3x7")
    assert result.returncode == 2 and "no such slice" in result.stderr


@pytest.mark.slow
def test_a_tiny_config_is_compiled_for_a_slice_without_a_byte_between_languages(tmp_path):
    result = command(
        tmp_path,
        "--topology=v5e:2x2",
        "--mesh=language:2,fsdp:2",
        "--config.data.languages=('asl','gsl')",
        "--config.train.batch_size=6",
        "--config.rl.strata=2",
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "aot.json").read_text())
    assert report["cross_language_bytes"] == 0 and report["fits"] is True
    assert report["chips"] == 4 and report["hbm_limit_bytes"] == 16 << 30
    assert 1e6 < report["hbm_bytes_per_chip"] < 1e9
    assert {tuple(one["axes"]) for one in report["collectives"]} == {("fsdp",)}
    assert report["uncounted_share"] <= 0.05 and 0 < report["cycle_utilization"] < 1
    assert "0 bytes between languages" in result.stdout


@pytest.mark.slow
def test_generation_stops_early_without_a_byte_between_languages(tmp_path):
    result = command(
        tmp_path,
        "--decode",
        "--topology=v5e:2x2",
        "--mesh=language:2,fsdp:2",
        "--config.data.languages=('asl','gsl')",
        "--config.eval.batch_size=4",
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "aot.json").read_text())
    assert report["program"] == "generate" and report["cross_language_bytes"] == 0
    # devices of one language still agree on when to stop
    assert {tuple(one["axes"]) for one in report["collectives"]} == {("fsdp",)}
