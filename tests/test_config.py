import json

import pytest

from configs import mlsf
from signllm_jax.core.config import Config, read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.models.mlsf import count_parameters

SIZES = ("tiny", "base", "large", "super")


def changed(key, value):
    values = to_dict(Config())
    *sections, last = key.split(".")
    place = values
    for section in sections:
        place = place[section]
    place[last] = value
    return values


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.stesp", 10),
        ("trian", {}),
        ("model.width", "64"),
        ("model.width", 64.0),
        ("model.width", True),
        ("model.progress_bias", 1),
        ("train", 3),
        ("data.languages", "asl"),
        ("data.languages", [1]),
        ("train.language_steps", {"asl": "many"}),
        ("optimizer.learning_rate", "fast"),
        ("optimizer.learning_rate", -1e-3),
        ("optimizer.learning_rate", float("nan")),
        ("optimizer.learning_rate", float("inf")),
        ("optimizer.b2", 1.5),
        ("loss.history_drop", float("nan")),
        ("train.steps", 0),
        ("train.seed", None),
        ("model.dtype", "float16"),
        ("data.layout", "body25"),
        ("optimizer.name", "adam"),
        ("model.width", 130),  # no multiple of the heads
        ("model.progress_features", 7),
        ("data.row_frames", 250),  # no multiple of the patch
        ("eval.max_frames", 127),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_its_key(key, value):
    with pytest.raises(ConfigError, match=rf"config\.{key}\b") as caught:
        read_config(changed(key, value))
    assert "\n" not in str(caught.value)


def test_a_whole_number_is_a_float_where_one_is_due():
    read = read_config(changed("optimizer.learning_rate", 1)).optimizer.learning_rate
    assert (read, type(read)) == (1.0, float)


def test_what_is_left_out_has_its_default():
    assert read_config({}) == read_config({"train": {}}) == Config()


@pytest.mark.parametrize("size", SIZES)
def test_a_config_survives_json(size):
    config = read_config(mlsf.get_config(f"fingerspelling,{size}").to_dict())
    assert config.size == size
    assert read_config(json.loads(json.dumps(to_dict(config)))) == config


def test_steps_of_single_languages_survive_json():
    config = read_config(changed("train.language_steps", {"asl": 7}))
    assert config.train.language_steps == {"asl": 7}
    assert read_config(json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize("arg", ["nothing", "fingerspelling,huge", ",huge"])
def test_an_unknown_data_set_or_size_is_refused(arg):
    with pytest.raises(ConfigError, match="known are"):
        mlsf.get_config(arg)


def test_both_parts_of_a_configs_argument_may_be_left_out():
    texts = mlsf.get_config("fingerspelling_texts,tiny")
    assert mlsf.get_config() == texts == mlsf.get_config(",tiny")


@pytest.mark.parametrize("before", ["", "fingerspelling,", "fingerspelling,base,"])
def test_one_word_chooses_how_it_is_learnt(before):
    paper, plain = (mlsf.get_config(before + word) for word in ("paper", "plain"))
    assert paper == mlsf.get_config(before.rstrip(","))
    assert (paper.rl.loss, paper.rl.plc) == ("reward", True)
    plain.rl.loss, plain.rl.plc = paper.rl.loss, paper.rl.plc
    assert plain == paper


@pytest.mark.parametrize(
    ("size", "least", "most"),
    [
        ("tiny", 1e6, 4e6),
        ("base", 0.95 * 40e6, 1.05 * 40e6),
        ("large", 0.95 * 120e6, 1.05 * 120e6),
        ("super", 0.95 * 1e9, 1.05 * 1e9),
    ],
)
def test_a_size_has_the_parameters_it_is_named_for(size, least, most):
    model = read_config(mlsf.get_config(f"fingerspelling,{size}").to_dict()).model
    assert least <= count_parameters(model) <= most


def mlsf_with(arg="fingerspelling,tiny", **values):
    config = mlsf.get_config(arg)
    config.update_from_flattened_dict({k.replace("_", ".", 1): v for k, v in values.items()})
    return read_config(config.to_dict())


def test_mlsf_learns_as_the_paper_does_and_a_flag_turns_each_part_off():
    rl = mlsf_with().rl
    assert (rl.loss, rl.plc, rl.eta, rl.threshold, rl.beta) == ("reward", True, 1.0, 0.5, 0.0)
    assert (rl.direction, rl.rollout) == ("high_reward", "teacher_forced")
    assert mlsf_with().batch_rows == (2, 1)
    assert mlsf_with(rl_plc=False).batch_rows == (3, 0)
    assert mlsf_with(rl_loss="mse").rl.loss == "mse"
    off = mlsf_with(rl_eta=0.0, rl_threshold=0.0).rl
    assert (off.plc, off.eta, off.threshold) == (True, 0.0, 0.0)


@pytest.mark.parametrize("arg", ["fingerspelling", "prompt2sign", "prompt2sign/gsl"])
@pytest.mark.parametrize("size", SIZES)
def test_the_buffer_takes_the_batches_of_every_data_set_and_size(arg, size):
    for rows, strata in ((2, 1), (3, 1), (4, 1), (6, 2), (8, 2), (16, 4), (32, 8)):
        config = mlsf_with(f"{arg},{size}", train_batch_size=rows)
        cyclic, priority = config.batch_rows
        assert config.rl.strata == strata and cyclic + priority == rows
        assert 0.24 < priority / rows <= (0.34 if rows > 2 else 0.5)
    with pytest.raises(
        ConfigError, match=r"batch_size: 1 rows cannot .* switch config\.rl\.plc off"
    ):
        mlsf_with(arg, train_batch_size=1)
