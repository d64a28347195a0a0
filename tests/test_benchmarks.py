"""The benchmarks of speed run, and count what they say they count. Nothing here asks how fast."""

import csv
import json
import sys

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from commands import TINY, run
from tiny import MODEL, one_device

from launch.benchmarks import workload
from launch.benchmarks.rows import earlier_row
from launch.benchmarks.sentences import sentence_lengths
from signllm_jax.aot.flops import matmul_flops
from signllm_jax.data.packing import Packing, RowPlan
from signllm_jax.models import mlsf
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.poses.pose_file import read_pose_file

FIELDS = {"benchmark", "variant", "cpu_seconds", "wall_seconds", "per_cpu_second", "rounds"}


def benchmark(folder, name, args, **kwargs):
    """The rows of a benchmark by variant."""
    code, out, err = run(folder, "benchmark", [name, *args], **kwargs)
    assert code == 0, err
    found = {row["variant"]: row for row in map(json.loads, out.splitlines())}
    for row in found.values():
        assert row.keys() >= FIELDS and min(row["cpu_seconds"], row["wall_seconds"]) > 0
    return found


@pytest.mark.slow
def test_training_is_measured_beside_the_peak_and_a_peer(tmp_path):
    args = ["--lengths=24,40", "--row_frames=64", "--rows=8", "--rounds=1", "--steps=1"]
    args += [f"--peer={sys.executable} -c pass", "--peer_frames=7"]
    rows = benchmark(tmp_path, "train", [*args, "--variants=packed,padded"])
    assert rows.keys() == {"packed", "padded", "matmul_peak", "peer"}
    assert rows["peer"]["frames"] == 7
    assert rows["packed"]["padding"] < rows["padded"]["padding"]
    assert 0 < rows["packed"]["flops_share"] < 1


@pytest.mark.slow
def test_decoding_is_measured_with_and_without_a_cache(tmp_path):
    rows = benchmark(tmp_path, "decode", ["--frames=10", "--clips=2", "--rounds=1"])
    assert rows["cached-10-2"]["frames"] == rows["uncached-10-2"]["frames"] == 20
    assert rows["cached-10-2"]["over_uncached"] > 0


@pytest.mark.slow
def test_the_input_of_a_prepared_corpus_is_measured_beside_a_step(tmp_path):
    args = ["--corpora=prompt2sign", "--clips=40", "--rounds=1", "--steps=2"]
    rows = benchmark(tmp_path, "input", args)
    assert {"prompt2sign", "prompt2sign-cold", "prompt2sign-step", "matmul_peak"} == rows.keys()
    assert rows["prompt2sign-cold"]["frames"] > 0
    assert min(rows["prompt2sign-cold"]["resident_mb"]) > 0


@pytest.mark.slow
def test_a_step_is_measured_by_languages_and_by_the_length_of_clips(tmp_path):
    args = ["--counts=1,2", "--clip_frames=32", "--batch_frames=64", "--of_language=2"]
    rows = benchmark(tmp_path, "work", [*args, "--rounds=1"])
    of = {name: rows[name]["step_frames"] for name in rows.keys() - {"matmul_peak"}}
    assert of["frames-32"] == 64 and of["languages-2"] > of["languages-1"]


@pytest.mark.slow
def test_the_start_of_a_run_is_measured_without_and_with_its_compiled_programs(tmp_path):
    args = [f"--set={name}={value}" for name, value in TINY.items()]
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # of the runs that are timed
    rows = benchmark(tmp_path, "start", ["--starts=1", *args], env=quick)
    assert rows["cold"]["cpu_seconds"] > rows["warm"]["cpu_seconds"]


@pytest.mark.slow
def test_a_server_is_measured_beside_its_model(tmp_path):
    rows = benchmark(tmp_path, "serve", ["--rounds=1", "--words=8", "--clients=2"])
    assert set(rows) == {"clients-2", "model-1", "model-8"}
    assert 0 < rows["clients-2"]["median_ms"] <= rows["clients-2"]["p95_ms"]
    assert all(row["words"] == 8 and row["cpu_seconds"] > 0 for row in rows.values())
    code, _, err = run(tmp_path, "benchmark", ["serve", "--clients=0"])
    assert (code, err.count("\n")) == (2, 1) and "at least one client" in err


def test_the_page_of_speed_is_made_from_kept_lines(tmp_path):
    rate = {"wall_seconds": 1.0, "cpu_seconds": 2.0, "per_second": 50.0, "per_cpu_second": 25.0}
    rate |= {"per_second_low": 40.0, "per_second_high": 60.0, "rounds": 5}
    work = {"benchmark": "work", "languages": 1, "flops_share": 0.25, "step_frames": 100.0}
    work |= {"step_seconds": 0.5, "step_cpu_seconds": 0.75, **rate}
    lines = [work | {"variant": "languages-1", "row_frames": 256}]
    lines += [work | {"variant": "frames-64", "row_frames": 64}]
    lines += [{"benchmark": "start", "variant": "warm", **rate}]
    asked = {"benchmark": "serve", "variant": "clients-8", "median_ms": 20.4, "p95_ms": 41.6}
    lines += [asked | rate | {"per_cpu_second": 250.0}]
    lines += [{"benchmark": "work", "variant": "matmul_peak", **rate, "per_second": 2e11}]
    lines += [earlier_row("prepare", [10.0, 30.0, 20.0], [5.0, 10.0, 20.0], "clips")]
    page = tmp_path / "speed.md"
    blocks = ("targets", "quoted", "results")
    page.write_text("".join(f"<!-- {name}:start --><!-- {name}:end -->" for name in blocks))
    code, _, err = run(tmp_path, "benchmark", ["speed", f"--document={page}"])
    assert (code, err.count("\n")) == (2, 1) and "make speed" in err
    (tmp_path / "speed").mkdir()
    (tmp_path / "speed" / "all.jsonl").write_text("\n".join(map(json.dumps, lines)))
    code, out, err = run(tmp_path, "benchmark", ["speed", f"--document={page}"])
    assert code == 0 and len(out.splitlines()) == 6, err
    assert "| prepare | 2.00 (1.00 to 3.00) | 20 | 10 | clips |" in page.read_text()
    assert "| ≥ 3.00 times | 2.00 times, 33% off |" in page.read_text()
    assert "| frames 64 | 100 | 500 | 750 | 20000.0 | 25% |" in page.read_text()
    assert "| clients 8 | 50 (40 to 60) | 4.0 | 20, 42 |" in page.read_text()
    assert "Matrix peak in the same runs: 200 GFLOP/s" in page.read_text()
    assert (tmp_path / "speed.png").stat().st_size > 1000


def test_the_operations_of_a_clip_are_those_of_its_unpadded_forward_pass():
    """Less what attention hides, half of the pairs, and positions looked up by products."""
    frames, tokens = 12, 3
    steps = frames // MODEL.patch
    params = nn.unbox(mlsf.abstract_group(MODEL))

    def forward(params):
        size = MODEL.patch * (MODEL.frame_size - 1)
        ones = jnp.ones((1, tokens), jnp.int32), jnp.ones((1, tokens), jnp.int32)
        history = jnp.zeros((1, steps, size)), jnp.zeros((1, steps)), jnp.ones((1, steps), int)
        return Text2Pose(MODEL).apply({"params": params}, *ones, *history)

    with sharding.use_mesh(one_device()):
        counted = matmul_flops(forward, params)
    hidden = 4 * MODEL.width * MODEL.decoder_layers * steps * (steps - 1) // 2
    looked_up = 2 * MODEL.width * (steps**2 + tokens**2)
    assert workload.clip_flops(MODEL, frames, tokens) == counted - hidden - looked_up


@pytest.mark.parametrize("row", [320, 512])
def test_rows_of_sentences_are_padded_by_less_than_five_percent(row):
    frames = sentence_lengths(5000)
    frames = frames[frames <= row]
    plan = RowPlan(
        "gsl",
        frames.tolist(),
        [1] * len(frames),
        Packing(row_frames=row, row_tokens=96, row_clips=16),
    )
    assert 1 - frames.sum() / (plan.first_rows * row) < 0.05


def test_rows_of_real_clips_are_padded_by_less_than_five_percent(shared_data):
    """343 clips of all eight languages, words and sentences, as the size `base` packs them."""
    with open(shared_data / "signs" / "index.csv") as file:
        paths = [shared_data / "signs" / line["path"] for line in csv.DictReader(file)]
    clips = [read_pose_file(path) for path in paths]
    frames = np.array([round(len(clip) * 25 / clip.fps) for clip in clips])
    plan = RowPlan(
        "tsl",
        frames.tolist(),
        [1] * len(frames),
        Packing(row_frames=512, row_tokens=512, row_clips=64),
    )
    assert 1 - frames.sum() / (plan.first_rows * 512) < 0.05


@pytest.mark.slow
def test_clips_are_prepared_and_the_start_of_the_command_is_left_out(tmp_path):
    rows = benchmark(tmp_path, "prepare", ["--clips=250"])
    (found,) = rows.values()
    assert found["clips"] == 200 and found["start"] > 0


@pytest.mark.parametrize("counts", ["3", "many", "1e3,50"])
def test_a_corpus_that_is_too_small_to_measure_is_refused(tmp_path, counts):
    code, _, err = run(tmp_path, "benchmark", ["prepare", f"--clips={counts}"])
    assert code == 2 and err.strip().endswith("give numbers above 50, as 1e3,5e3")
