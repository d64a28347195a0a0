"""The queue before a model: what waits, is decoded together, kept and refused."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from polling import until
from test_serve import HELLO, Held, TestClient, model  # noqa: F401 (model is a fixture)

from signllm_jax.serve.app import make_app
from signllm_jax.serve.batches import Batches, BusyError
from signllm_jax.serve.desk import _KEPT


def test_waiting_texts_of_a_language_are_decoded_together_and_a_full_queue_answers_429(model):  # noqa: F811
    held = Held(model)
    texts = ["ada", "bad", "cab", "dab"]
    with TestClient(make_app(held, queue=4)) as client, ThreadPoolExecutor(8) as threads:

        def ask(text, language):
            return threads.submit(
                client.post, "/produce", json={"text": text, "language": language}
            )

        first = ask("eve", "asl")
        until(lambda: held.signed)
        desk, asked = client.app.state.desk, []
        for text in texts:
            asked.append(ask(text, "gsl" if text == "cab" else "asl"))
            until(lambda: desk.waiting == len(asked))
        refused = client.post("/produce", json=HELLO)
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        assert client.get("/languages").status_code == 200
        held.go.set()
        assert [answer.result().status_code for answer in (first, *asked)] == [200] * 5
        assert [answer.result().json()["text"] for answer in asked] == texts
    assert held.signed == [("asl", ["eve"]), ("asl", ["ada", "bad", "dab"]), ("gsl", ["cab"])]


@pytest.mark.parametrize(("form", "other"), [("png", "gif"), ("gif", "png")])
def test_too_many_files_at_once_answer_429_and_films_do_not_keep_out_others(model, form, other):  # noqa: F811
    with TestClient(make_app(model, renderings=1)) as client:
        desk = client.app.state.desk

        def ask(form):
            return client.get("/clip", params=HELLO | {"format": form}).status_code

        renderer = desk._films if form == "gif" else desk._files
        renderer.asked = 1
        assert (ask(form), ask(other)) == (429, 200)
        renderer.asked = 0
        assert ask(form) == 200
        assert desk.rendering == 0


def test_answers_are_kept_up_to_a_limit_and_not_produced_again(model):  # noqa: F811
    held = Held(model)
    held.go.set()
    with TestClient(make_app(held)) as client:
        for _ in range(2):
            client.post("/produce", json=HELLO)
        assert len(held.signed) == 1
        letters = [a + b + "a" for a in "abcdefghijk" for b in "abcdefghijk"]
        for text in letters[: _KEPT + 8]:
            client.post("/produce", json={"text": text, "language": "asl"})
        assert len(client.app.state.desk._kept) == _KEPT


def test_the_longest_waiting_comes_first_and_an_error_is_its_batch_s_own():
    done = []

    def work(texts, language):
        done.append((language, list(texts)))
        if language == "bad":
            raise ValueError("broken")
        return [text.upper() for text in texts]

    async def all_of_it():
        batches = Batches(work, size=2, limit=10)
        asks = [("a", "x"), ("b", "bad"), ("c", "x"), ("d", "x"), ("e", "y")]
        tasks = [asyncio.create_task(batches.submit(*ask)) for ask in asks]
        gone = asyncio.create_task(batches.submit("f", "x"))
        await asyncio.sleep(0)
        gone.cancel()  # its client has left
        async with batches.running():
            return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(all_of_it())
    assert done == [("x", ["a", "c"]), ("bad", ["b"]), ("x", ["d"]), ("y", ["e"])]
    assert [results[i] for i in (0, 2, 3, 4)] == ["A", "C", "D", "E"]
    assert isinstance(results[1], ValueError)


def test_a_queue_without_room_refuses():
    async def full():
        batches = Batches(lambda texts, language: texts, size=1, limit=0)
        await batches.submit("a", "asl")

    with pytest.raises(BusyError, match="try again"):
        asyncio.run(full())
