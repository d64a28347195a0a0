"""Training Prompt2LangGloss: sizes, losses, stages, and the report."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny
from prompted import CODES, MODEL, TEXT, config_for

from configs.prompt2langgloss import get_config
from signllm_jax.core.config import RLConfig, read_config
from signllm_jax.core.typing import TokenScores
from signllm_jax.eval import prompt_report
from signllm_jax.eval.back_translate import ReaderConfig
from signllm_jax.eval.baselines import ROWS
from signllm_jax.parallel import language_axis, sharding
from signllm_jax.text.langgloss import EOS
from signllm_jax.text.prompts import SPOKEN
from signllm_jax.train.loop import train
from signllm_jax.train.prompt2langgloss import own_text
from signllm_jax.train.task import get_task

pytestmark = pytest.mark.usefixtures("cheap_compiles")


@pytest.mark.parametrize(("size", "millions"), [("base", 40), ("large", 120), ("super", 1000)])
def test_both_stages_together_have_the_size_of_the_name(size, millions):
    task = get_task(read_config(get_config(f"fingerspelling,{size}").to_dict()))
    leaves = jax.tree.leaves(nn.unbox(language_axis.abstract(task.init_lane)))
    assert sum(leaf.size for leaf in leaves) == pytest.approx(millions * 1e6, rel=0.05)


def test_own_langgloss_takes_the_place_of_the_true_one_clip_by_clip(prompt_data):
    _, train_data = prompt_data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))
    line = batch.prompts.line
    right = TokenScores(
        jax.nn.one_hot(line % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(line // MODEL.vocab, TEXT.languages),
    )
    key = jax.random.key(0)
    np.testing.assert_array_equal(own_text(batch, right, key, 1.0), batch.text)
    other = line + (batch.prompts.line_segment == 1) * (line != EOS)
    wrong = TokenScores(
        jax.nn.one_hot(other % MODEL.vocab, MODEL.vocab),
        jax.nn.one_hot(other // MODEL.vocab, TEXT.languages),
    )
    np.testing.assert_array_equal(own_text(batch, wrong, key, 0.0), batch.text)
    made = np.mean(
        [np.asarray(own_text(batch, wrong, jax.random.key(i), 1.0)) for i in range(20)], 0
    )
    first = batch.text_segment == 1
    changed = made != batch.text
    assert changed[first].all() and not changed[~first].any()
    assert (made - batch.text)[first].max() < 1  # not every time


@pytest.mark.slow
def test_both_losses_train_the_shared_table_and_each_its_own_stage(prompt_data, data_dir):
    _, train_data = prompt_data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(0, [0], [0, 1]))

    def gradients(weight):
        text = dataclasses.replace(TEXT, weight=weight)
        task = get_task(config_for(data_dir, text=text))
        params = nn.unbox(task.init_lane(jax.random.key(0)))
        loss = lambda p, b: task.loss(p, b, jax.random.key(1))[0]  # noqa: E731
        return jax.jit(jax.grad(loss))(params, batch)

    with sharding.use_mesh(tiny.one_device()):
        both, pose = gradients(1.0), gradients(0.0)
    total = lambda tree: sum(float(np.abs(leaf).sum()) for leaf in jax.tree.leaves(tree))  # noqa: E731
    assert total(pose["text_stage"]) == 0 < total(both["text_stage"])
    assert total(both["pose_stage"]) == pytest.approx(total(pose["pose_stage"]), rel=1e-4)
    assert total(both["langgloss"]) != pytest.approx(total(pose["langgloss"]), rel=1e-2)


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
        params = nn.unbox(task.init_lane(jax.random.key(0)))
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
def test_it_learns_from_the_replay_buffer_as_mlsf_does(data_dir, tmp_path):
    config = config_for(
        data_dir, rl=RLConfig(plc=True, loss="reward", share=0.5, strata=2, capacity=16)
    )
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, batch_size=4))
    assert train(config, tmp_path / "run")["step"] == 2


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
    assert set(ROWS) == {"produced", *report["rows"]}
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
