"""The Python interface, and the front door of the package."""

import subprocess
import sys

import numpy as np
import pytest
from tiny_run import tiny_config, write_run

import signllm_jax
from signllm_jax import SignLLM
from signllm_jax.__main__ import commands
from signllm_jax.core.errors import CheckpointError, ConfigError, TextError
from signllm_jax.inference.pipelines import BATCH, PAUSE, TextPipeline
from signllm_jax.inference.request import Request


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    return SignLLM.load(write_run(path, tiny_config(data_dir, ("asl", "gsl"))).path)


@pytest.fixture(scope="module")
def single(model):
    return SignLLM(TextPipeline({"gsl": model.describe("gsl")}))


def test_importing_the_package_loads_nothing_but_itself_and_says_nothing():
    code = (
        "import sys; before = {*sys.modules}; import signllm_jax; "
        "loaded = {name.partition('.')[0] for name in {*sys.modules} - before}; "
        "assert loaded <= {'signllm_jax', *sys.stdlib_module_names}, loaded; "
        "assert 'SignLLM' in dir(signllm_jax); from signllm_jax import SignLLM, PoseClip"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = signllm_jax.Nothing


def test_the_package_lists_every_command():
    done = subprocess.run(
        [sys.executable, "-m", "signllm_jax"], capture_output=True, text=True, check=True
    )
    assert {"train", "produce", "serve"} <= set(commands())
    for name, line in commands().items():
        assert f"launch.{name} " in done.stdout and line in done.stdout
    assert signllm_jax.__version__ in done.stdout


def test_a_model_without_a_latent_has_one_clip_a_text(model):
    assert not model.draws("asl") and model.read("abc", None, "asl", 5) == model.read(
        "abc", None, "asl"
    )
    assert len(model.produce_samples("abc", "asl", 1)) == 1
    with pytest.raises(ConfigError, match="samples: the model of asl has one clip a text"):
        model.produce_samples("abc", "asl", 2)


def test_many_texts_give_what_each_gives_alone(model):
    texts = ["abcd", "bca", "abcab"] * BATCH
    for text, clip in zip(texts, model.produce_many(texts, "asl"), strict=True):
        alone = model.produce(text, "asl", seed=3)
        np.testing.assert_array_equal(clip.observed, alone.observed)
        np.testing.assert_allclose(clip.positions, alone.positions, atol=1e-5)
        assert clip.fps == alone.fps
    assert model.produce_many([], "asl") == []


def test_requests_of_several_languages_are_signed_in_their_order(model):
    requests = [model.read(text, language=code) for text, code in (("abc", "gsl"), ("bca", "asl"))]
    for request, signed in zip(requests, model.sign(requests), strict=True):
        alone = model.produce(request.text, request.language)
        np.testing.assert_array_equal(signed.clip.positions, alone.positions)
        assert signed.gloss is None


def test_a_pause_stands_for_spaces_and_marks(model):
    whole = model.produce("abc, bca!", "asl")
    one, other = model.produce_many(["abc", "bca"], "asl")
    pause = round(PAUSE * one.fps)
    assert len(whole) == len(one) + pause + len(other)
    np.testing.assert_allclose(whole.positions[: len(one)], one.positions, atol=1e-4)
    np.testing.assert_allclose(whole.positions[len(one) + pause :], other.positions, atol=1e-4)
    with pytest.raises(TextError, match="no letter to spell in '!!'"):
        model.produce("!!", "asl")


def test_the_words_of_a_text_have_a_limit_together(model):
    assert len(model.read(" ".join(["abcd"] * 40), language="asl").model_input.split()) == 40
    with pytest.raises(TextError, match=r"spells at most 200 letters, .* one by one"):
        model.read(" ".join(["abcd"] * 41), language="asl")


def test_a_prompt_says_text_and_language(model):
    request = model.read(prompt="How do you sign 'abc' in ASL?")
    assert request == Request("asl", "abc", "abc") and model.gloss(request) is None
    prompted = model.produce(prompt="Wie gebärdet man „abc“?", language="gsl")
    np.testing.assert_array_equal(prompted.positions, model.produce("abc", "gsl").positions)


def test_a_run_of_one_language_need_not_be_told_it(single, model):
    np.testing.assert_array_equal(
        single.produce("abc").positions, model.produce("abc", "gsl").positions
    )
    assert single.read(prompt="How do you sign 'abc'?") == Request("gsl", "abc", "abc")


def test_errors_are_typed_and_say_what_would_be_accepted(model, tmp_path):
    for call, kind, words in (
        (lambda: model.produce("abc"), ConfigError, "which language.*asl, gsl"),
        (lambda: model.produce("abc", "lsa"), ConfigError, "'lsa'.*asl, gsl"),
        (lambda: model.produce("", "asl"), TextError, "empty"),
        (lambda: model.produce("ж", "asl"), TextError, "'ж'.* which has a b c .* z"),
        (lambda: model.produce("abcdefghijkl", "asl"), TextError, "12 tokens.*at most 8"),
        (lambda: model.produce("a", "asl", prompt="a"), TextError, "either"),
        (lambda: model.produce(language="asl"), TextError, "either"),
        (lambda: model.produce(prompt="How do you sign 'a' in LSA?"), ConfigError, "asl, gsl"),
        (lambda: SignLLM.load(tmp_path), CheckpointError, "no readable run"),
    ):
        with pytest.raises(kind, match=words):
            call()
