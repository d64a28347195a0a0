"""Training Prompt2LangGloss: sizes, losses, stages, and the report."""

import dataclasses
import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from prompted import CODES, MODEL, TEXT, config_for

from configs.prompt2langgloss import get_config
from signllm_jax.core.config import RLConfig, read_config
from signllm_jax.core.typing import TokenScores
from signllm_jax.eval import baselines, prompt_report
from signllm_jax.eval.back_translate import ReaderConfig
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.rl import plc
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.prompts import SPOKEN
from signllm_jax.train.loop import train
from signllm_jax.train.prompt2langgloss import predicted_text
from signllm_jax.train.task import Learning, get_task


@pytest.mark.parametrize(("size", "millions"), [("base", 40), ("large", 120), ("super", 1000)])
def test_both_stages_together_have_the_size_of_the_name(size, millions):
    task = get_task(read_config(get_config(f"fingerspelling,{size}").to_dict()))
    leaves = jax.tree.leaves(nn.unbox(language_axis.abstract(task.init_lane)))
    assert sum(leaf.size for leaf in leaves) == pytest.approx(millions * 1e6, rel=0.05)


ROWS = np.arange(2)


def test_own_langgloss_takes_the_place_of_the_true_one_clip_by_clip(prompt_data):
    _, train_data = prompt_data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))
    line = batch.prompts.line
    right = TokenScores(
        jax.nn.one_hot(line % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(line // MODEL.vocab, TEXT.languages),
    )
    key = jax.random.key(0)
    np.testing.assert_array_equal(
        predicted_text(batch, batch.prompts, right, key, 1.0, ROWS), batch.text
    )
    other = line + (batch.prompts.line_segment == 1) * (line != EOS)
    wrong = TokenScores(
        jax.nn.one_hot(other % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(other // MODEL.vocab, TEXT.languages),
    )
    np.testing.assert_array_equal(
        predicted_text(batch, batch.prompts, wrong, key, 0.0, ROWS), batch.text
    )
    made = np.mean(
        [
            np.asarray(predicted_text(batch, batch.prompts, wrong, jax.random.key(i), 1.0, ROWS))
            for i in range(20)
        ],
        0,
    )
    first = batch.text_segment == 1
    changed = made != batch.text
    assert changed[first].all() and not changed[~first].any()
    assert (made - batch.text)[first].max() < 1  # not every time


def replay_config(data_dir, strata):
    rl = RLConfig(plc=True, loss="reward", share=0.5, strata=strata, capacity=16, clip_frames=96)
    config = config_for(data_dir, rl=rl, text=dataclasses.replace(TEXT, own=1.0))
    return dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=4))


def drawn_batch(config, host):
    """The batch of a step of one lane: rows from the host, and rows from its replay buffer."""
    host, keys = jax.tree.map(lambda x: x[None], host), jax.random.split(jax.random.key(0), 1)
    with sharding.use_mesh(tiny.one_device()):
        begin = jax.jit(sharding.on_own_rows(functools.partial(plc.begin, config=config)))
        batch = begin(plc.init(config, 1), host, keys, jnp.zeros((), jnp.int32))[1]
    return jax.tree.map(lambda x: x[0], batch)


@pytest.mark.parametrize("strata", [1, 2])
def test_own_langgloss_is_of_the_rows_that_have_the_prompts(strata, prompt_data, data_dir):
    """Whatever the order of a batch with a replay buffer is."""
    config = replay_config(data_dir, strata)
    host = jax.tree.map(lambda x: x[0], prompt_data[1].batch(0, [0], [0, 1]))
    batch, rows = drawn_batch(config, host), plc.host_rows(config)
    np.testing.assert_array_equal(batch.text[rows], host.text)
    np.testing.assert_array_equal(batch.example[rows], host.example)
    other = host.prompts.line + (host.prompts.line_segment == 1) * (host.prompts.line != EOS)
    wrong = TokenScores(
        jax.nn.one_hot(other % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(other // MODEL.vocab, TEXT.languages),
    )
    texts = [
        predicted_text(batch, batch.prompts, wrong, jax.random.key(i), 1.0, rows) for i in range(20)
    ]
    changed = (np.stack(texts) != batch.text).any(0)
    np.testing.assert_array_equal(changed[rows], host.text_segment == 1)
    assert not np.delete(changed, rows, 0).any()


@pytest.mark.slow
def test_both_losses_train_the_shared_table_and_each_its_own_stage(prompt_data, data_dir):
    _, train_data = prompt_data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))

    def gradients(weight, consistency=0.0):
        text = dataclasses.replace(TEXT, weight=weight, consistency=consistency)
        task = get_task(config_for(data_dir, text=text))
        params = nn.unbox(jax.jit(task.init_lane)(jax.random.key(0)))
        loss = lambda p, b: task.loss(p, b, jax.random.key(1))[0]  # noqa: E731
        return jax.jit(jax.grad(loss))(params, batch)

    with sharding.use_mesh(tiny.one_device()):
        both, pose, agreed = gradients(1.0), gradients(0.0), gradients(1.0, consistency=0.5)
    total = lambda tree: sum(float(np.abs(leaf).sum()) for leaf in jax.tree.leaves(tree))  # noqa: E731
    assert total(pose["text_stage"]) == 0 < total(both["text_stage"])
    assert total(both["pose_stage"]) == pytest.approx(total(pose["pose_stage"]), rel=1e-4)
    assert total(both["langgloss"]) != pytest.approx(total(pose["langgloss"]), rel=1e-2)
    # without dropout two passes agree
    assert total(agreed["text_stage"]) == pytest.approx(total(both["text_stage"]), rel=1e-4)
    assert total(agreed["pose_stage"]) == pytest.approx(total(both["pose_stage"]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("begun", ["", "another run"])
@pytest.mark.parametrize("stage", ["text", "pose"])
def test_a_stage_alone_leaves_the_other_and_the_table_of_another_run(
    stage, begun, prompt_data, data_dir
):
    _, train_data = prompt_data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))
    text = dataclasses.replace(TEXT, trained=stage)
    task = get_task(config_for(data_dir, text=text, init_from=begun))
    with sharding.use_mesh(tiny.one_device()):
        params = nn.unbox(jax.jit(task.init_lane)(jax.random.key(0)))
        loss = lambda p, b: task.loss(p, b, jax.random.key(1))[0]  # noqa: E731
        found = jax.jit(jax.grad(loss))(params, batch)
    moved = {
        k: any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(v)) for k, v in found.items()
    }
    assert moved == {
        "langgloss": not begun,
        "text_stage": stage == "text",
        "pose_stage": stage == "pose",
    }


@pytest.mark.slow
def test_it_learns_from_the_rows_of_the_replay_buffer(prompt_data, data_dir):
    """What was drawn has an error of its own and a gradient of its own."""
    config = replay_config(data_dir, 2)
    host = jax.tree.map(lambda x: x[0], prompt_data[1].batch(0, [0], [0, 1]))
    batch, rows = drawn_batch(config, host), plc.host_rows(config)
    drawn = np.delete(np.arange(4), rows)
    task, key = get_task(config), jax.random.key(1)
    without = batch._replace(segment=batch.segment.at[drawn].set(0))
    with sharding.use_mesh(tiny.one_device()):
        params = nn.unbox(jax.jit(task.init_lane)(jax.random.key(0)))
        learning = Learning(None, jnp.zeros(()))
        loss = lambda p, b: task.loss(p, b, key, learning)  # noqa: E731
        gradient = jax.jit(jax.grad(loss, has_aux=True))
        (found, terms), (plain, _) = gradient(params, batch), gradient(params, without)
    there = np.asarray(batch.example)[drawn] >= 0
    assert there.any() and np.isfinite(np.asarray(terms["clip_error"])[drawn][there]).all()
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), found, plain)
    assert max(jax.tree.leaves(moved["pose_stage"])) > 0
    assert max(jax.tree.leaves(moved["text_stage"])) == 0  # prompts are the host's alone


@pytest.mark.slow
def test_a_run_keeps_its_clips_in_the_replay_buffer(data_dir, tmp_path):
    config = replay_config(data_dir, 2)
    assert train(config, tmp_path / "run")["step"] == 2
    lines = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    held = [line["shared"]["replay_clips"] for line in lines if line["kind"] == "train"]
    assert 0 < held[0] <= held[-1] <= 16


@pytest.mark.slow
def test_a_run_reports_both_stages_and_all_that_mlsf_reports(prompted_run):
    report = prompt_report.evaluate(
        prompted_run,
        reader_config=ReaderConfig(steps=2, batch_size=2, width=8),
        samples=1,
        export=prompted_run / "export",
    )
    assert set(report["languages"]) == set(CODES)
    stage = report["text_stage"]
    assert stage["languages"]["asl"]["prompts"] == 40 * len(SPOKEN)
    assert stage["language_accuracy"] == 1  # as used: the prompt is parsed
    assert 0 <= stage["unaided"]["language_accuracy"] <= 1
    assert stage["unaided"]["exact_match_low"] <= stage["unaided"]["exact_match"]
    true = report["rows"]["true_langgloss"]["overall"]
    assert true["dtw_mean_pose_ratio"] > 0 and true["unproduced"] == 0
    overall = report["overall"]
    for name in ("cer", "cer_real", "dtw_mean_pose_ratio", "dtw_other_clip_ratio"):
        assert overall[f"{name}_low"] <= overall[name] <= overall[f"{name}_high"]
        means = [report["languages"][code][name] for code in CODES]
        assert overall[name] == pytest.approx(np.mean(means))  # languages count alike
    assert isinstance(overall["collapse"], bool) and overall["clips"] == 80
    # no other system's clips are read here, and words have one take
    absent = {"peer", "own_model", "other_take", "conditional_mean"}
    assert set(baselines.ROWS) - absent == {"produced", *report["rows"]}
    assert any("One evaluator" in line for line in report["warnings"])
    page = (prompted_run / "report.md").read_text()
    for said in ("## LangGloss", "from true LangGloss", "One evaluator", "produced from prompts"):
        assert said in page
    assert list((prompted_run / "samples").glob("tsl-*.mp4"))

    theirs = prompt_report.evaluate(
        prompted_run, predictions=prompted_run / "export" / "asl" / "reference-pose", readers=0
    )
    assert theirs["overall"]["dtw_mean_pose_ratio"] < 0.1 and "text_stage" not in theirs
    assert theirs["skipped"] == {"tsl": "no usable prediction"}
