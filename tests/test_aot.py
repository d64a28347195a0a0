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
        "--config.train.batch_size=4",
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "aot.json").read_text())
    assert report["cross_language_bytes"] == 0 and report["fits"] is True
    assert report["chips"] == 4 and report["hbm_limit_bytes"] == 16 << 30
    assert 1e6 < report["hbm_bytes_per_chip"] < 1e9
    assert {tuple(one["axes"]) for one in report["collectives"]} == {("fsdp",)}
    assert report["uncounted_share"] <= 0.05 and 0 < report["cycle_utilization"] < 1
    assert "0 bytes between languages" in result.stdout
