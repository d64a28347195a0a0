"""What the server does with clients that idle, leave, come from elsewhere, or meet a fault."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import pytest
import uvicorn
from fastapi.testclient import TestClient
from polling import until
from test_serve import HELLO, Held, model  # noqa: F401 (model is a fixture)

from signllm_jax.core.errors import TextError
from signllm_jax.inference.request import Request
from signllm_jax.serve.app import make_app
from signllm_jax.serve.batches import Batches
from signllm_jax.serve.connections import guarded
from signllm_jax.serve.desk import Desk

LOCAL = "http://localhost"


@pytest.fixture(scope="module")
def client(model):  # noqa: F811
    with TestClient(make_app(model, hosts=("signs.example",)), LOCAL) as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8000", "SIGNS.example:1"])
def test_the_server_answers_to_its_own_names(client, host):
    assert client.get("/languages", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["other.example", "localhost.other.example", "", "a:b"])
def test_another_name_is_refused(client, host):
    answer = client.post("/produce", json=HELLO, headers={"host": host})
    assert answer.status_code == 421 and "--hosts" in answer.json()["error"]
    assert answer.json()["kind"] == "host"
    missing = client.get("/nowhere")
    assert missing.status_code == 404 and missing.json()["kind"] == "path"


def test_the_pages_of_other_sites_ask_for_nothing(client):
    for site in ("cross-site", "same-site"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
        assert client.post("/produce", json=HELLO, headers=headers).status_code == 403
        params = HELLO | {"format": "npz"}
        assert client.get("/clip", params=params, headers=headers).status_code == 403
        linked = headers | {"sec-fetch-mode": "navigate"}
        assert client.get("/", headers=linked).status_code == 200
        assert client.get("/clip", params=params, headers=linked).status_code == 403
    same = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert client.post("/produce", json=HELLO, headers=same).status_code == 200


def test_the_framework_answers_what_the_short_way_leaves_to_it(client):
    for given in (HELLO, HELLO | {"seed": "1"}, HELLO | {"language": "xx"}):
        body, kind = json.dumps(given), "application/json"
        short = client.post("/produce", content=body, headers={"content-type": kind})
        kind += "; charset=utf-8"
        long = client.post("/produce", content=body, headers={"content-type": kind})
        assert (short.status_code, short.content) == (long.status_code, long.content)
        assert short.headers == long.headers


def test_head_is_get_without_a_body(client):
    for path in ("/", "/languages", "/health", "/static/page.js"):
        got, head = client.get(path), client.head(path)
        assert head.status_code == got.status_code == 200 and head.content == b""
        assert head.headers["content-length"] == got.headers["content-length"]


def test_answers_are_kept_by_nobody_and_files_asked_for_again(client):
    assert client.post("/produce", json=HELLO).headers["cache-control"] == "no-store"
    assert client.get("/languages").headers["cache-control"] == "no-store"
    for path in ("/", "/docs", "/static/page.js", "/player/words.js"):
        assert client.get(path).headers["cache-control"] == "no-cache"


def test_health_readiness_and_counts_are_told(model):  # noqa: F811
    with TestClient(make_app(model, queue=1), LOCAL) as client:
        assert client.get("/health").json() == {"status": "alive"}
        assert client.get("/ready").status_code == 200
        client.post("/produce", json=HELLO)
        client.post("/produce", content=b"{")
        told = client.get("/metrics")
        assert told.headers["content-type"].startswith("text/plain")
        assert 'signllm_requests_total{path="/produce",status="200"} 1.0' in told.text
        assert 'signllm_requests_total{path="/produce",status="400"} 1.0' in told.text
        assert "signllm_waiting 0.0" in told.text
    with TestClient(make_app(model, queue=0), LOCAL) as client:
        assert client.get("/ready").status_code == 503


def test_a_fault_of_ours_is_told_without_its_insides(model, caplog):  # noqa: F811
    held = Held(model)
    held.sign = lambda requests: 1 / 0
    with TestClient(make_app(held), LOCAL) as client:
        answer = client.post("/produce", json=HELLO)
        assert answer.status_code == 500 and "log says why" in answer.json()["error"]
        assert "ZeroDivision" not in answer.text and "/" not in answer.json()["error"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "ZeroDivisionError" in caplog.text
        assert client.get("/languages").status_code == 200


def test_a_bad_text_costs_itself_and_not_its_batch():
    def work(texts, language):
        if "bad" in texts:
            raise ValueError("bad")
        return texts[:1] if "few" in texts and len(texts) > 1 else texts

    async def ask(*texts):
        batches = Batches(work, size=8, limit=8)
        tasks = [asyncio.create_task(batches.submit(text, "asl")) for text in texts]
        await asyncio.sleep(0)
        async with batches.running():
            return await asyncio.gather(*tasks, return_exceptions=True)

    one, bad, other = asyncio.run(ask("one", "bad", "other"))
    assert (one, other) == ("one", "other") and isinstance(bad, ValueError)
    assert asyncio.run(ask("one", "few")) == ["one", "few"]


def desk_of(held):
    desk = Desk(held, queue=8, renderings=1)
    return desk, Request("asl", "abc", "abc")


def test_the_same_text_asked_by_many_is_made_once(model):  # noqa: F811
    held = Held(model)

    async def ask():
        desk, one = desk_of(held)
        async with desk.running():
            tasks = [asyncio.create_task(desk.answer(one)) for _ in range(6)]
            while not held.signed:
                await asyncio.sleep(0.01)
            tasks[0].cancel()  # one of them leaves: the others still want it
            await asyncio.sleep(0)
            held.go.set()
            answers = await asyncio.gather(*tasks[1:])
            again = await desk.answer(one)
        return answers, again

    answers, again = asyncio.run(ask())
    assert len({id(answer) for answer in (*answers, again)}) == 1
    assert held.signed == [("asl", ["abc"])]


def test_an_error_of_a_text_that_many_ask_for_is_told_to_all_and_not_kept(model):  # noqa: F811
    held = Held(model)
    held.sign = lambda requests: [TextError("not understood")]

    async def ask():
        desk, one = desk_of(held)
        async with desk.running():
            asked = (desk.answer(one) for _ in range(3))
            return await asyncio.gather(*asked, return_exceptions=True), desk._making

    errors, making = asyncio.run(ask())
    assert [str(error) for error in errors] == ["not understood"] * 3 and not making


def test_the_work_of_those_who_left_is_dropped(model):  # noqa: F811
    held = Held(model)

    async def leave():
        desk, one = desk_of(held)
        async with desk.running():
            first = asyncio.create_task(desk.answer(one))
            while not held.signed:
                await asyncio.sleep(0.01)
            second = asyncio.create_task(desk.answer(Request("asl", "cab", "cab")))
            while not desk.waiting:
                await asyncio.sleep(0.01)
            second.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await second
            held.go.set()
            await first

    asyncio.run(leave())
    assert held.signed == [("asl", ["abc"])]


@contextlib.contextmanager
def served(**limits):
    """A server of connections on a free port, whose app says hello; gives its address."""

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await receive()
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    config = uvicorn.Config(
        app, http=guarded(**limits), ws="none", lifespan="off", log_level="critical"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until(lambda: server.started)
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return connection.recv(4096)


def test_a_head_that_does_not_arrive_is_given_up():
    with served(head=0.2) as address:
        for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: loc"):
            with socket.create_connection(address, timeout=30) as connection:
                connection.sendall(sent)
                assert b" 408 " in connection.recv(4096)
                assert connection.recv(4096) == b""


def test_a_second_head_that_trickles_in_is_given_up_too():
    with served(head=0.3) as address, socket.create_connection(address, timeout=30) as connection:
        assert b"hello" in ask(connection)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"G")
                time.sleep(0.02)
        with contextlib.suppress(ConnectionError):
            assert b" 408 " in connection.recv(4096)


def test_one_address_has_so_many_connections_and_others_have_theirs():
    with served(per_client=2) as address, contextlib.ExitStack() as stack:

        def connect(source):
            made = socket.create_connection(address, timeout=30, source_address=(source, 0))
            return stack.enter_context(made)

        first = connect("127.0.0.1")
        assert b"hello" in ask(first) and b"hello" in ask(connect("127.0.0.1"))
        assert b" 429 " in connect("127.0.0.1").recv(4096)
        assert b"hello" in ask(connect("127.0.0.2"))
        first.close()
        until(lambda: b" 200 " in ask(connect("127.0.0.1")))


def test_the_connection_that_has_idled_longest_makes_room():
    with served(most=3) as address, contextlib.ExitStack() as stack:

        def connect():
            return stack.enter_context(socket.create_connection(address, timeout=30))

        idle = [connect() for _ in range(3)]
        time.sleep(0.1)  # they are all known before the next comes
        assert b"hello" in ask(connect())
        assert b" 503 " in idle[0].recv(4096)
        assert b"hello" in ask(idle[2])
