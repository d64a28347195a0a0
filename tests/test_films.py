"""Films that take too long or hang: they are ended, told of, and keep nobody waiting."""

import asyncio
import stat
import time

import pytest
from test_serve import HELLO, model  # noqa: F401 (model is a fixture)
from test_serve_guards import client  # noqa: F401 (client is a fixture)

from signllm_jax.core.errors import OutputError
from signllm_jax.render import video
from signllm_jax.serve.app import make_app
from signllm_jax.serve.limits import Limits


@pytest.fixture(params=["exec sleep 60", "sleep 60; true"], ids=["program", "script"])
def hung_ffmpeg(request, tmp_path, monkeypatch):
    """A program in ffmpeg's place that reads nothing and sleeps; a script's holds its pipes."""
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{request.param}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    monkeypatch.setattr(video, "MOST_SECONDS", 0.5)


def test_a_renderer_that_hangs_is_ended_and_reported(client, hung_ffmpeg):  # noqa: F811
    answer = client.get("/clip", params=HELLO | {"format": "mp4"})
    assert answer.status_code == 504 and "was ended" in answer.json()["error"]
    assert "/" not in answer.json()["error"]
    assert client.get("/clip", params=HELLO | {"format": "npz"}).status_code == 200


def test_the_end_waits_for_no_renderer_that_hangs(model, hung_ffmpeg, monkeypatch):  # noqa: F811
    monkeypatch.setattr(video, "MOST_SECONDS", 50.0)
    began, app = time.monotonic(), make_app(model)

    async def leave():
        async with app.state.desk.running():
            clip = model.produce("abc", "asl")
            asked = [
                asyncio.ensure_future(app.state.desk.render(clip, "abc", "mp4")) for _ in range(5)
            ]
            while len(video._encoding) < 2:
                await asyncio.sleep(0.01)
        return await asyncio.gather(*asked, return_exceptions=True)

    ends = asyncio.run(leave())
    assert [type(each) for each in ends].count(OutputError) == 2  # those that were being made
    assert time.monotonic() - began < 20 and not video._encoding


def test_a_request_that_the_grace_ends_is_told_so():
    sent, asked = [], [{"type": "http.request"}]

    async def receive():
        return asked.pop() if asked else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def hang(scope, receive, send):
        await asyncio.Event().wait()

    async def end():
        scope = {"type": "http", "method": "GET", "path": "/clip", "headers": []}
        request = asyncio.ensure_future(Limits(hang)(scope, receive, send))
        await asyncio.sleep(0.05)
        request.cancel()
        await request

    asyncio.run(end())
    assert [message.get("status") for message in sent] == [503, None]
    assert b"the server is ending" in sent[1]["body"]


def test_a_gif_that_takes_too_long_is_given_up_and_reported(client, monkeypatch):  # noqa: F811
    monkeypatch.setattr(video, "MOST_SECONDS", 0.0)
    answer = client.get("/clip", params=HELLO | {"format": "gif"})
    assert answer.status_code == 504 and "was given up" in answer.json()["error"]
    assert "/" not in answer.json()["error"]
