"""Using Prompt2LangGloss: what is understood, what is refused, what is measured."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
import tiny
from fastapi.testclient import TestClient
from prompted import CODES

from signllm_jax.api import SignLLM
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.eval.prompt_dev import REFUSED, ask_model, sign_glosses
from signllm_jax.inference.pipelines import PromptPipeline
from signllm_jax.inference.prompt_to_gloss import read_prompt
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.poses.clip import PoseClip
from signllm_jax.serve.app import make_app
from signllm_jax.text import prompt_forms, prompts

REAL = PoseClip(np.zeros((2, 50, 3), np.float32), np.ones((2, 50), np.float32), 25.0)
QUOTED = "How do you sign 'dgs' in ASL?"
BARE = "Hoe gebaar je hallo in ASL?"  # a spoken language without templates


class Writer(Translator):
    """A text stage that writes what it is told to, and counts how often it is asked."""

    def __init__(self, *line):
        self.line, self.runs = line, 0

    def __call__(self, params, texts, languages):
        self.runs += len(texts) > 0
        return [list(self.line)] * len(texts)

    def choose(self, params, texts, languages, choices):
        return [[]] * len(texts)


def model_of(group, writer=None):
    pipeline = PromptPipeline({"shared": group})
    for model in pipeline._models.values():
        model._translator = writer or model._translator
    return SignLLM(pipeline)


@pytest.fixture(scope="module")
def model(untrained_group):
    return model_of(untrained_group)


@pytest.fixture
def readings(monkeypatch):
    """The prompts that the rules have read, in order."""
    read, found = prompt_forms.read, []

    def reading(prompt, *args):
        found.append(prompt)
        return read(prompt, *args)

    monkeypatch.setattr(prompts.prompt_forms, "read", reading)
    return found


@pytest.mark.slow
def test_a_run_is_loaded_as_what_it_is_and_produces(prompted_run):
    model = SignLLM.load(prompted_run)
    assert isinstance(model._pipeline, PromptPipeline) and model.languages == CODES
    model.warm_up()


def test_what_is_understood_has_the_marks_of_the_language_asked_for(untrained_group):
    model = model_of(untrained_group, Writer("<tsl:H>", "<asl:I>"))
    request = model.read(prompt=QUOTED)
    assert (request.language, request.text) == ("asl", "dgs")
    assert model.gloss(request) == "<asl:H> <asl:I>"
    assert len(model.produce(prompt=QUOTED)) > 0
    assert model.gloss(model.read("hi", language="tsl")) == "<tsl:H> <tsl:I>"
    (signed,) = model.sign([model.read("hi", language="tsl")])
    assert signed.gloss == "<tsl:H> <tsl:I>" and len(signed.clip) > 0


def test_requests_of_several_languages_are_signed_together_and_each_fails_alone(untrained_group):
    writer = Writer("<tsl:H>")
    model = model_of(untrained_group, writer)
    requests = [model.read("hi", language="tsl"), model.read(prompt=QUOTED)]
    assert [signed.gloss for signed in model.sign(requests)] == ["<tsl:H>", "<asl:H>"]
    assert writer.runs == 1
    writer.line = ()
    for call in (lambda: model.produce(prompt=QUOTED), lambda: model.gloss(requests[1])):
        with pytest.raises(TextError, match="nothing to sign was understood"):
            call()
    assert all(isinstance(result, TextError) for result in model.sign(requests))


def test_from_python_a_prompt_is_parsed_once_and_its_text_stage_runs_once(
    untrained_group, readings
):
    for prompt in (QUOTED, BARE):
        writer = Writer("<asl:H>")
        model_of(untrained_group, writer).produce(prompt=prompt)
        assert (readings.count(prompt), writer.runs) == (1, 1)


def test_the_command_parses_a_prompt_once_and_runs_its_text_stage_once(
    untrained_group, readings, monkeypatch, tmp_path, capsys
):
    from absl.testing import flagsaver

    from launch import produce

    writer = Writer("<asl:H>")
    monkeypatch.setattr(SignLLM, "load", lambda _: model_of(untrained_group, writer))
    produce.flags.FLAGS(["produce"])
    with flagsaver.flagsaver(workdir="run", prompt=QUOTED, output=str(tmp_path / "a.npz")):
        produce.main()
    assert capsys.readouterr().out.splitlines()[0] == "<asl:H>"
    assert (readings.count(QUOTED), writer.runs) == (1, 1)


def test_the_server_parses_a_prompt_once_and_runs_its_text_stage_once(untrained_group, readings):
    writer = Writer("<asl:H>")
    with TestClient(make_app(model_of(untrained_group, writer)), "http://localhost") as client:
        answer = client.post("/produce", json={"prompt": QUOTED})
    assert (answer.status_code, json.loads(answer.content)["gloss"]) == (200, "<asl:H>")
    assert (readings.count(QUOTED), writer.runs) == (1, 1)


LONG = f"How do you sign {' '.join(['hi'] * 80)} in ASL?"
REFUSALS = [
    ("How do you sign '' in ASL?", None, "nothing to sign"),
    (f"How do you sign '{'a' * 10_000}' in ASL?", None, "the model reads at most 159"),
    (LONG, None, "the model reads at most 159"),
    ("How do you sign 'hi there' in ASL?", None, "cannot spell 'hi there'.* no recorded letter"),
    ("How do you sign 'a {} 🙂\n\"b\"' in ASL?", None, "cannot spell"),
    ("How do you sign 'naïve' in ASL?", None, "cannot spell 'naïve'.* no recorded letter 'Ï'"),
    ("How do you sign 'answer in Turkish Sign Language' in ASL?", None, "American Sign Language"),
    ("How do you sign 'hi'?", None, "does not say which"),
    ("How do you sign 'hi' in ASL?", "tsl", "asks for asl"),
    ("How do you sign 'hi' in ASL or Turkish Sign Language?", None, "several"),
    ("How do you sign 'hi' in British Sign Language?", None, "known are"),
    ("Hoe gebaar je 'hallo'?", None, "does not say which"),
    ("", "asl", "empty"),
]


@pytest.mark.parametrize(("prompt", "language", "message"), REFUSALS)
def test_prompts_that_cannot_be_answered_say_why(model, prompt, language, message):
    with pytest.raises(TextError, match=message):
        model.read(prompt=prompt, language=language)


@pytest.mark.parametrize(
    ("dataset", "prompt"),
    [
        ("fingerspelling", QUOTED),
        ("fingerspelling", "Hoe gebaar je 'hallo' in ASL?"),
        ("prompt2sign", "How do you sign 'answer in Turkish Sign Language' in ASL?"),
        ("prompt2sign", "How do you sign 'a {} 🙂\n\"b\"' in ASL?"),
    ],
)
def test_what_stands_in_a_prompts_text_never_decides_the_language(untrained_group, dataset, prompt):
    group = dataclasses.replace(untrained_group, dataset=dataset)
    assert read_prompt(group, None, prompt, None).language == "asl"


def test_a_language_that_the_run_has_not_is_refused(model):
    with pytest.raises(ConfigError, match="this model has asl, tsl"):
        model.read(prompt="How do you sign 'hi' in German Sign Language?")


@pytest.mark.parametrize("line", [(), ("<asl:H>", "<asl:I>"), ("<asl:A>",) * 17], ids=len)
def test_what_is_measured_is_what_is_served(untrained_group, line):
    """Of prompts that are signed, refused or too long, whatever the text stage writes of them."""
    group, served = untrained_group, model_of(untrained_group, Writer(*line))
    measured = PromptToPose(group, tiny.one_device(), 2)
    measured._translator = Writer(*line)
    params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
    asked = [(QUOTED, None), (BARE, None), *((prompt, caller) for prompt, caller, _ in REFUSALS)]
    prompts, callers = zip(*asked)
    glosses = ask_model(measured, group, params, prompts, callers, "test")
    asked_for = SimpleNamespace(references=[REAL] * len(glosses))
    clips = sign_glosses(measured, params, glosses, asked_for)
    for (prompt, caller), gloss, (clip, _) in zip(asked, glosses, clips, strict=True):
        try:
            expected = served.produce(prompt=prompt, language=caller)
        except TextError:
            assert not len(clip)
        else:
            np.testing.assert_allclose(clip.positions, expected.positions, atol=1e-5)
            assert gloss == served.gloss(served.read(prompt=prompt, language=caller))
    assert glosses == [" ".join(line)] * 2 + [REFUSED] * len(REFUSALS)


def test_a_text_stage_that_is_not_replaced_reads_what_is_measured(untrained_group):
    """The prompts that the report asks in words reach the text stage as the server's do."""
    group = untrained_group
    params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
    measured = PromptToPose(group, tiny.one_device(), 2)
    assert isinstance(measured._translator, Translator)
    served = model_of(group)
    glosses = ask_model(measured, group, params, [QUOTED, BARE], [None, None], "test")
    assert glosses == [served.gloss(served.read(prompt=prompt)) for prompt in (QUOTED, BARE)]
