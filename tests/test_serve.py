"""The server: what it answers, what it refuses, and what nobody can make it do."""

import asyncio
import base64
import functools
import io
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from fastapi import testclient
from tiny_run import tiny_config, write_run

from signllm_jax import SignLLM
from signllm_jax.core.errors import TextError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.poses.files import read_clip
from signllm_jax.render.page import STATIC as PLAYER
from signllm_jax.serve import desk, limits
from signllm_jax.serve.app import STATIC, _attachment, make_app
from signllm_jax.serve.desk import _KEPT, Format
from signllm_jax.serve.schema import MAX_TEXT

TestClient = functools.partial(testclient.TestClient, base_url="http://localhost")
HELLO = {"text": "abc", "language": "asl"}
HOSTILE = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "a\r\nset-cookie: a=b", '"; filename="x.exe',
    "{{7*7}}", "<script>alert(1)</script>", "\x00", "%00", "😀" * 20, "\u202eabc",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(data_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    model = SignLLM.load(write_run(path, tiny_config(data_dir, ("asl", "gsl"))).path)
    model.warm_up()
    return model


@pytest.fixture(scope="module")
def client(model):
    with TestClient(make_app(model)) as client:
        yield client


class Held:
    """A model whose work waits until it is let go, and which remembers what it was asked."""

    def __init__(self, model):
        self.model, self.signed, self.go = model, [], threading.Event()
        self.languages, self.describe = model.languages, model.describe
        self.read, self.draws = model.read, model.draws

    def sign(self, requests):
        self.signed.append((requests[0].language, [r.model_input for r in requests]))
        assert self.go.wait(60)
        return self.model.sign(requests)


def test_a_text_is_answered_with_its_clip(client, model):
    answer = client.post("/produce", json=HELLO | {"positions": "floats"})
    said, clip = answer.json(), model.produce(**HELLO)
    assert answer.status_code == 200 and said.keys() == {
        *("text", "language", "seconds", "title", "given_way", "clip")
    }
    assert said["seconds"] == pytest.approx(len(clip) / clip.fps, abs=1e-3)
    np.testing.assert_allclose(said["clip"]["positions"], clip.positions, atol=1e-4)
    np.testing.assert_array_equal(np.array(said["clip"]["confidence"]) > 0, clip.observed)


def test_numbers_are_packed_unless_floats_are_asked_for(client, model):
    said = client.post("/produce", json=HELLO).json()["clip"]
    floats = client.post("/produce", json=HELLO | {"positions": "floats"}).json()["clip"]
    assert said.keys() - floats.keys() == {"frames", "scale"}
    shape, clip = (said["frames"], len(said["joints"])), model.produce(**HELLO)
    positions = np.frombuffer(base64.b64decode(said["positions"]), "<i2").reshape(*shape, 3)
    np.testing.assert_allclose(said["scale"] * positions, clip.positions, atol=said["scale"] / 1.9)
    confidence = np.frombuffer(base64.b64decode(said["confidence"]), np.uint8).reshape(shape)
    np.testing.assert_allclose(confidence / 255, clip.confidence, atol=1 / 255)
    np.testing.assert_array_equal(confidence > 0, clip.observed)
    assert client.post("/produce", json=HELLO | {"positions": "int8"}).status_code == 400


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("gzip, deflate", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False)],
)
def test_an_answer_is_compressed_where_that_is_asked_for(client, accepted, zipped):
    answer = client.post("/produce", json=HELLO, headers={"accept-encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") is zipped
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.json() == client.post("/produce", json=HELLO).json()


def test_the_json_of_an_answer_is_made_beside_the_model(model, monkeypatch):
    threads, make = [], desk._body

    def noted(*args):
        threads.append(threading.current_thread().name.partition("_")[0])
        return make(*args)

    monkeypatch.setattr(desk, "_body", noted)
    with TestClient(make_app(model)) as client:
        assert client.post("/produce", json=HELLO).status_code == 200
        assert client.post("/produce", json=HELLO).status_code == 200
    assert threads == ["encode"]  # once: it is kept with its answer


def test_a_prompt_is_answered_like_its_text(client):
    prompted = client.post("/produce", json={"prompt": "How do you sign 'abc' in ASL?"})
    assert prompted.content == client.post("/produce", json=HELLO).content


def test_a_prompted_model_says_what_it_understood_and_a_misunderstanding_is_its_own(model):
    """What a model with a text stage answers, of which one prompt is not understood."""

    class Prompted(Held):
        def __init__(self, model):
            super().__init__(model)
            self.read = self.read_prompt
            self.go.set()

        def read_prompt(self, text=None, prompt=None, language=None, seed=0):
            request = self.model.read(text, prompt, language, seed)
            return request._replace(model_input=prompt or f"sign {text}")

        def sign(self, requests):
            self.signed.append((requests[0].language, [r.model_input for r in requests]))
            made = self.model.sign([r._replace(model_input=r.text) for r in requests])
            return [
                TextError("not understood")
                if request.text == "cab"
                else signed._replace(gloss="<asl:A>")
                for request, signed in zip(requests, made)
            ]

    held = Prompted(model)
    prompt = {"prompt": "How do you sign 'abc' in ASL?"}
    with TestClient(make_app(held)) as client:
        said = client.post("/produce", json=prompt).json()
        assert (said["gloss"], said["text"], said["language"]) == ("<asl:A>", "abc", "asl")
        file = client.get("/clip", params=prompt | {"format": "npz"})
        assert file.status_code == 200 and len(held.signed) == 1  # the answer that was kept
        assert client.post("/produce", json=HELLO).status_code == 200
        refused = client.post("/produce", json=HELLO | {"text": "cab"})
        assert refused.status_code == 422 and refused.json() == {
            "error": "not understood",
            "kind": "text",
        }
    assert [asked for _, asked in held.signed] == [[prompt["prompt"]], ["sign abc"], ["sign cab"]]


def test_languages_and_formats_are_listed(client, model):
    said = client.get("/languages").json()
    assert [language["code"] for language in said["languages"]] == list(model.languages)
    assert said["languages"][1]["name"] == "German Sign Language"
    assert {"pose", "mp4", "glb", "html"} <= set(said["formats"]) == set(Format)


@pytest.mark.parametrize(
    "body, status, word",
    [
        ("{", 400, "JSON"),
        ("", 400, "required"),
        ("a\udcff", 400, "parsing"),
        ("[]", 400, ""),
        ("{}", 400, "give one"),
        ('{"text": 5}', 400, "text"),
        ('{"txt": "a"}', 400, "txt: there is no such field"),
        ('{"text": "a", "prompt": "a"}', 400, "give one"),
        ('{"typed": "a", "prompt": "a"}', 400, "give one"),
        ('{"typed": "room 12", "language": "asl"}', 422, "numbers"),
        ('{"typed": "abc in LSA", "language": "asl"}', 422, "Argentine"),
        ('{"text": "a", "language": "asl", "seed": -1}', 400, "seed"),
        ('{"text": "\\ud800", "language": "asl"}', 400, ""),
        ('{"text": "' + MAX_TEXT * "a" + 'a", "language": "asl"}', 422, "at most 1000"),
        ('{"text": "abcdefghijkl", "language": "asl"}', 422, "at most 8"),
        ('{"text": " ", "language": "asl"}', 422, "empty"),
        ('{"text": "\\u0000", "language": "asl"}', 422, "spell"),
        ('{"text": "a"}', 422, "asl, gsl"),
        ('{"text": "a", "language": "../asl"}', 422, "asl, gsl"),
        ('{"prompt": "no question", "language": "asl"}', 422, "quotation"),
        ('{"text": "' + "a" * limits.MAX_BODY + '"}', 413, "bytes"),
    ],
)
def test_what_cannot_be_answered_says_why(client, body, status, word):
    answer = client.post(
        "/produce",
        content=body.encode("utf-8", "surrogateescape"),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert word in told["error"] and "\n" not in told["error"]
    assert "Value error" not in told["error"]
    of_text = {"long", "empty", "letters", "digits", "language", "question"}
    assert told["kind"] in {400: {"request"}, 413: {"size"}, 422: of_text}[status]
    if status == 422 and "this model has" in told["error"].lower():
        assert told["kind"] == "language"


@pytest.mark.parametrize("form", list(Format))
def test_every_format_can_be_downloaded(client, model, form, tmp_path):
    answer = client.get("/clip", params=HELLO | {"format": form})
    assert answer.status_code == 200 and len(answer.content) > 100
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="abc.{form}"')
    if form in ("npz", "pose", "skels"):
        (tmp_path / f"a.{form}").write_bytes(answer.content)
        assert len(read_clip(tmp_path / f"a.{form}", fps=25)) == len(model.produce(**HELLO))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_parameter_reaches_a_path_a_header_or_a_page(client, hostile):
    for params in (
        HELLO | {"format": hostile},
        {"text": hostile, "language": "asl", "format": "npz"},
        {"text": "a", "language": hostile, "format": "npz"},
    ):
        answer = client.get("/clip", params=params)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
        if params["text"] == hostile and answer.status_code == 200:  # its letters are spelled
            assert answer.headers["content-type"] == "application/octet-stream"
            assert answer.headers["content-disposition"] == _attachment(hostile, "npz")
            continue
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/json"
        assert "49" not in answer.json()["error"]
    header = _attachment(hostile, "npz")
    assert re.fullmatch(
        r"attachment; filename=\"[\w-]+\.npz\"; filename\*=UTF-8''[\w%-]+\.npz", header, re.A
    )


@pytest.mark.parametrize("folder", ["static", "player"])
def test_nothing_outside_of_the_assets_is_served(client, folder):
    for path in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "//etc/passwd", "../../errors.py"):
        assert client.get(f"/{folder}/{path}").status_code in (400, 404)


def test_the_page_needs_nothing_from_elsewhere(client):
    for page in ("/", "/docs"):
        answer = client.get(page)
        assert answer.status_code == 200 and "default-src 'self'" in answer.headers[
            "content-security-policy"
        ]  # fmt: skip
        links = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
        assert len(links) >= 4
        assert all(client.get("/" + link.removeprefix("./")).status_code == 200 for link in links)
    for file in (*STATIC.iterdir(), *PLAYER.iterdir()):
        source = file.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "://" not in source and "innerHTML" not in source, file
        assert not re.search(r"\beval\(|new Function|style=", source), file


def test_the_page_speaks_the_languages_of_all_signers(client):
    words = (PLAYER / "words.js").read_text("utf-8")
    spoken = re.search(r"export const WORDS = \{(.*?)\}", words)[1]
    known = {entry.partition(":")[0].strip(' "') for entry in spoken.split(",")}
    assert {language.spoken for language in LANGUAGES.values()} <= known and len(known) == 8
    for code in LANGUAGES:
        assert len(re.findall(rf"\b{code}: ", words)) == 7  # Swiss German takes the German ones


def test_the_description_names_every_answer(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/languages", "/produce", "/clip"}
    answers = described["paths"]["/produce"]["post"]["responses"]
    refusals = "400 403 408 413 421 422 429 500 503 504"
    assert sorted(answers) == ["200", *refusals.split()]


def test_a_body_that_does_not_arrive_is_given_up():
    sent = []

    async def never():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    async def app(*_):
        raise AssertionError("the app is not reached")

    asyncio.run(limits.Limits(app, seconds=0.02)({"type": "http"}, never, send))
    assert sent[0]["status"] == 408 and b"did not arrive" in sent[1]["body"]


def test_a_file_without_a_library_says_which(client, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    answer = client.get("/clip", params=HELLO | {"format": "mp4"})
    assert answer.status_code == 500 and "imageio_ffmpeg" in answer.json()["error"]


def test_a_png_is_a_picture(client):
    from PIL import Image

    answer = client.get("/clip", params=HELLO | {"format": "png"})
    assert Image.open(io.BytesIO(answer.content)).width > 100


def test_the_documented_limits_are_the_real_ones():
    from signllm_jax.serve import connections, desk, server

    documented = (Path(__file__).parents[1] / "docs" / "serve.md").read_text("utf-8")
    for what, value in (
        ("seconds for a body to arrive", limits.BODY_SECONDS),
        ("bytes of a body", limits.MAX_BODY),
        ("characters of a text or prompt", MAX_TEXT),
        ("texts that wait for the model (`--queue`)", desk.QUEUE),
        ("films (`mp4 webm gif`) asked for at once", desk.RENDERINGS),
        ("other files asked for at once", desk.RENDERINGS),
        ("seconds for a film to be made", desk.RENDER_SECONDS),
        ("seconds for a request's head to arrive", connections.HEAD_SECONDS),
        ("seconds without reading an answer that waits", connections.UNREAD_SECONDS),
        ("open connections of one address (`--per_client`)", connections.PER_CLIENT),
        ("open connections", connections.CONNECTIONS),
        ("seconds for running requests after SIGTERM", server.GRACE),
    ):
        assert f"| {what} | {value} |" in documented
    assert f"The last {_KEPT} answers" in documented and " ".join(Format) in documented
