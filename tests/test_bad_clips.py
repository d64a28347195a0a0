"""A damaged record costs its clip, counted and named, and not the run."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from tiny import one_device
from tiny_run import tiny_config

from signllm_jax.core.errors import DataError, RecordError
from signllm_jax.data import batches as pipeline
from signllm_jax.data import splits
from signllm_jax.train import groups, loop


@pytest.fixture(scope="module")
def damaged(data_dir, tmp_path_factory):
    """The data of asl with flipped bytes in its train records, and the clips that it costs."""
    folder = tmp_path_factory.mktemp("damaged")
    name = "prompt2sign/asl_fingerspelling"
    shutil.copytree(f"{data_dir}/{name}", folder / name)
    (file,) = (path for path in folder.rglob("*train.array_record*"))
    data = bytearray(file.read_bytes())
    for place in range(len(data) // 20, len(data), len(data) // 10):
        data[place] ^= 0xFF
    file.write_bytes(data)
    train = splits.open_split("fingerspelling", "asl", "train", folder)
    lost = []
    for index in range(len(train)):
        try:
            train[index]
        except RecordError as error:
            assert str(error).startswith(f"{train.ids[index]}: the record cannot be read")
            lost.append(index)
    return folder, lost


def test_flipped_bytes_cost_few_records_and_no_other_is_taken_for_them(damaged, data_dir):
    folder, lost = damaged
    clean = splits.open_split("fingerspelling", "asl", "train", data_dir)
    train = splits.open_split("fingerspelling", "asl", "train", folder)
    assert 0 < len(lost) < len(train) / 2
    assert train.digest == clean.digest  # the run is bound to what was prepared
    sound = list(train.sound_examples(len(lost)))
    assert [each["id"] for each in sound] == [
        clean.ids[i] for i in range(len(clean)) if i not in lost
    ]
    with pytest.raises(DataError, match=f"more than config.data.max_bad = {len(lost) - 1}"):
        list(train.sound_examples(len(lost) - 1))


def batches(config, most, steps):
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, max_bad=most))
    group = groups.make_group(config, "asl")
    data = pipeline.TrainData.of(
        config, [splits.open_split("fingerspelling", "asl", "train", config.data.data_dir)], [group]
    )
    return data, [data.batch(step, [0], range(config.batch_rows[0])) for step in range(steps)]


def test_rows_leave_out_what_is_damaged_and_keep_the_rest(damaged):
    folder, lost = damaged
    config = tiny_config(str(folder), **{"data.row_clips": 4, "data.row_tokens": 40})
    data, made = batches(config, len(lost), 120)
    assert data.bad and len(set(data.bad)) == len(data.bad) <= len(lost)
    for batch in made:
        present = batch.example[batch.example >= 0]
        assert not set(present.tolist()) & set(lost)
        for example, segment, text in zip(
            batch.example[0], batch.segment[0], batch.text_segment[0]
        ):
            clips = (example >= 0).sum()
            assert (example[:clips] >= 0).all()  # numbered as if the others had never been there
            assert set(segment[segment > 0].tolist()) == set(range(1, clips + 1))
            assert set(text[text > 0].tolist()) == set(range(1, clips + 1))


def test_one_too_many_ends_the_run_and_names_it(damaged):
    folder, lost = damaged
    config = tiny_config(str(folder))
    with pytest.raises(DataError, match=f"more than config.data.max_bad = {len(lost) - 1}"):
        batches(config, len(lost) - 1, 1 << 10)


@pytest.mark.slow
def test_a_run_goes_on_without_damaged_clips_and_says_which(damaged, tmp_path, capsys, monkeypatch):
    folder, lost = damaged
    monkeypatch.setattr(loop, "make_run_mesh", lambda config, languages: one_device())
    for seed in range(99):  # of an order in which damaged clips come soon
        config = tiny_config(str(folder), **{"data.max_bad": len(lost), "train.seed": seed})
        data, _ = batches(config, len(lost), 8)
        if data.bad:
            break
    final = loop.train(config, tmp_path / "run")
    assert final["step"] == config.train.steps
    told = [line for line in capsys.readouterr().out.splitlines() if "skipped, " in line]
    assert final["bad_clips"] > 0
    assert 0 < len(told) <= final["bad_clips"]  # some are met by what reads ahead of the last step
    assert all(f"of at most {len(lost)}" in line for line in told)
    lines = [json.loads(x) for x in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["asl"]["loss"]) for line in lines if line["kind"] == "train")
