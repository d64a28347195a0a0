"""The server: the time to an answer, words a second, and CPU time of a word, by clients at once.

    python launch/benchmark.py serve [--workdir=DIR] [--clients=1,8] [--words=200]

A server of this checkout starts on a free port. In every round each number of clients asks for
words that nobody asked for before, each client for the next one as soon as it has its answer, as
the page does: packed positions, gzip. `model` makes the same number of words without a server, one
at a time and in batches. What a client spends is not counted.
"""

import http.client
import itertools
import json
import os
import queue
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from absl import flags

from launch.benchmarks import rounds
from launch.benchmarks.rows import timed
from signllm_jax.core.errors import ConfigError, SignLLMError

WORKDIR = flags.DEFINE_string("workdir", None, "a run or an export; by default the shipped model")
CLIENTS = flags.DEFINE_list("clients", ["1", "8"], "how many ask at once")
WORDS = flags.DEFINE_integer("words", 200, "of a round", lower_bound=8)
LETTERS = flags.DEFINE_integer("letters", 5, "of a word", lower_bound=1)
ROOT = Path(__file__).resolve().parents[2]
LANGUAGE = "asl"
CLIENTS_AT_ONCE = 8
_BATCH = 8


def rows() -> Iterator[dict]:
    """Yields the start, a row for each number of clients with its percentiles, and the model's."""
    try:
        counts = [int(count) for count in CLIENTS.value]
    except ValueError:
        raise ConfigError(f"--clients={','.join(CLIENTS.value)}: numbers of clients") from None
    if min(counts, default=0) < 1:
        raise ConfigError("--clients: at least one client")
    fresh = made_words(LETTERS.value, (len(counts) + 2) * WORDS.value * (rounds.ROUNDS.value + 1))
    began = time.monotonic()
    with Served(WORKDIR.value) as server:
        server.ask(next(fresh))
        first = time.monotonic() - began
        spent = {count: [] for count in counts}
        waited: dict[int, list[float]] = {count: [] for count in counts}
        for number, count in itertools.product(range(rounds.ROUNDS.value + 1), counts):
            before = server.cpu()
            _, wall, times = timed(lambda n=count: server.ask_all(fresh, WORDS.value, n))
            if number:  # the first one warms up
                spent[count].append((server.cpu() - before, wall, WORDS.value))
                waited[count] += times
    for count in counts:
        middle, late = np.percentile(waited[count], [50, 95]) * 1e3
        found = np.array(spent[count])
        more = {"clients": count, "median_ms": middle, "p95_ms": late, "first_answer": first}
        yield rounds.row("serve", f"clients-{count}", found, "words", **more)
    yield from _model(fresh)


def made_words(letters: int, count: int) -> Iterator[str]:
    """Different words of so many letters, at random; the same ones in every run."""
    draw, seen = random.Random(0), set()
    while len(seen) < count:
        word = "".join(draw.choices("abcdefghiklmnoprstuvwxy", k=letters))
        if word not in seen:
            seen.add(word)
            yield word


class Served:
    """A server as a process of its own, which is ended with the block."""

    def __init__(self, workdir: str | os.PathLike | None, checkout: Path = ROOT):
        """Starts the server.

        Args:
            workdir: A run or an export; None = the shipped model.
            checkout: Of the project, whose server it is.
        """
        command = [sys.executable, str(checkout / "launch" / "serve.py"), "--port=0"]
        command += [f"--workdir={workdir}"] if workdir else []
        environment = dict(os.environ, PYTHONPATH=str(checkout))
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout  # a pipe
        lines = iter(self._process.stdout.readline, "")
        found = next(
            (m for m in (re.search(r"http://([\d.]+):(\d+)", x) for x in lines) if m), None
        )
        if found is None:
            raise ConfigError(f"{command[1]}: ended with {self._process.wait()}")
        self._place = found[1], int(found[2])

    def __enter__(self) -> "Served":
        """The server, which answers."""
        return self

    def __exit__(self, *_) -> None:
        """Ends the server."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()

    def ask(self, word: str, connection: http.client.HTTPConnection | None = None) -> float:
        """Seconds from the question to the whole answer."""
        connection = connection or http.client.HTTPConnection(*self._place, timeout=60)
        body = json.dumps({"text": word, "language": LANGUAGE})
        began = time.perf_counter()
        head = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        connection.request("POST", "/produce", body, head)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise SignLLMError(f"/produce answered {answer.status}: {told[:200].decode()}")
        return time.perf_counter() - began

    def ask_all(self, words: Iterator[str], count: int, clients: int) -> list[float]:
        """Seconds that each answer took, of `count` words asked for by so many clients."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for word in itertools.islice(words, count):
            waiting.put(word)
        times: list[float] = []
        failed: list[Exception] = []

        def client():
            connection = http.client.HTTPConnection(*self._place, timeout=60)
            try:
                while True:
                    times.append(self.ask(waiting.get_nowait(), connection))
            except queue.Empty:
                connection.close()
            except Exception as error:  # raised by the thread that waits for all
                failed.append(error)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return times

    def cpu(self) -> float:
        """CPU seconds that the server has spent."""
        spent = psutil.Process(self._process.pid).cpu_times()
        return spent.user + spent.system


def _model(fresh: Iterator[str]) -> Iterator[dict]:
    """The same number of words by the model alone, in turns."""
    from signllm_jax.api import SignLLM

    model = SignLLM.load(WORKDIR.value) if WORKDIR.value else SignLLM.load()
    sizes = {"model-1": 1, f"model-{_BATCH}": _BATCH}
    spent: dict[str, list[tuple]] = {name: [] for name in sizes}
    for number, (name, size) in itertools.product(range(rounds.ROUNDS.value + 1), sizes.items()):
        words = list(itertools.islice(fresh, WORDS.value))
        cpu, wall, _ = timed(lambda w=words, s=size: _make(model, w, s))
        if number:
            spent[name].append((cpu, wall, WORDS.value))
    for name, size in sizes.items():
        yield rounds.row("serve", name, np.array(spent[name]), "words", clients=size)


def _make(model, words: list[str], size: int) -> None:
    for start in range(0, len(words), size):
        model.produce_many(words[start : start + size], LANGUAGE)
