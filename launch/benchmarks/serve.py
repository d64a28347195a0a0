"""The server: time to an answer, words per second and CPU time per word, by number of clients.

    python launch/benchmark.py serve [--workdir=DIR] [--clients=1,8] [--words=200]

A server of this checkout starts on a free port. In every round each number of clients asks for
words that were not asked for before. Each client asks for the next word as soon as it has its
answer, as the page does: packed positions, gzip. `model` makes the same number of words without a
server, one at a time and in batches. The clients' own time is not counted.
"""

import contextlib
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
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from absl import flags

from launch.benchmarks import rounds
from launch.benchmarks.rows import ROOT, numbers, timed
from signllm_jax.core.errors import ConfigError, SignLLMError

WORKDIR = flags.DEFINE_string("workdir", None, "a run or an export; by default the shipped model")
CLIENTS = flags.DEFINE_list("clients", ["1", "8"], "numbers of clients that ask at once")
WORDS = flags.DEFINE_integer("words", 200, "words per round", lower_bound=8)
LETTERS = flags.DEFINE_integer("letters", 5, "letters per word", lower_bound=1)
LANGUAGE = "asl"
CLIENTS_AT_ONCE = 8
_BATCH = 8


def rows() -> Iterator[dict]:
    """Yields a row for each number of clients, with its percentiles, and the model's rows."""
    counts = numbers(CLIENTS, "give numbers of clients, at least one client")
    fresh = made_words(LETTERS.value, (len(counts) + 2) * WORDS.value * (rounds.ROUNDS.value + 1))
    began = time.monotonic()
    with Served(WORKDIR.value) as server:
        server.ask_all(fresh, 1, 1)
        first = time.monotonic() - began
        spent, waited = {count: [] for count in counts}, {count: [] for count in counts}
        for number, count in itertools.product(range(rounds.ROUNDS.value + 1), counts):
            before = server.cpu()
            _, wall, times = timed(lambda n=count: server.ask_all(fresh, WORDS.value, n))
            if number:  # the first one warms up
                spent[count].append((server.cpu() - before, wall, WORDS.value))
                waited[count] += times
    for count in counts:
        middle, late = np.percentile(waited[count], [50, 95]) * 1e3
        more = {"clients": count, "median_ms": middle, "p95_ms": late, "first_answer": first}
        yield rounds.row("serve", f"clients-{count}", np.array(spent[count]), "words", **more)
    yield from _model(fresh)


def made_words(letters: int, count: int) -> Iterator[str]:
    """Different random words of so many letters; the same in every run."""
    draw, seen = random.Random(0), set()
    while len(seen) < count:
        word = "".join(draw.choices("abcdefghiklmnoprstuvwxy", k=letters))
        if word not in seen:
            seen.add(word)
            yield word


class Served:
    """A server in a process of its own; a context manager that ends it."""

    def __init__(self, workdir: str | os.PathLike | None, checkout: Path = ROOT):
        """Starts the server.

        Args:
            workdir: Path of a run or an export; None = the shipped model.
            checkout: Checkout of the project that has the server.
        """
        command = [sys.executable, str(checkout / "launch" / "serve.py"), "--port=0"]
        command += [f"--workdir={workdir}"] if workdir else []
        environment = dict(os.environ, PYTHONPATH=str(checkout))
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdout  # a pipe
        matches = (re.search(r"http://([\d.]+):(\d+)", line) for line in self._process.stdout)
        match = next(filter(None, matches), None)
        if match is None:
            raise ConfigError(f"{command[1]}: ended with {self._process.wait()}")
        self._address = match[1], int(match[2])

    def __enter__(self) -> "Served":
        """Returns the server, which answers."""
        return self

    def __exit__(self, *_) -> None:
        """Ends the server."""
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate()

    def _ask(self, word: str, connection: http.client.HTTPConnection) -> float:
        """Seconds from the question to the whole answer."""
        body = json.dumps({"text": word, "language": LANGUAGE})
        began = time.perf_counter()
        head = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        connection.request("POST", "/produce", body, head)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SignLLMError(f"/produce answered {answer.status}: {content[:200].decode()}")
        return time.perf_counter() - began

    def ask_all(self, words: Iterator[str], count: int, clients: int) -> list[float]:
        """The seconds of each answer, where so many clients ask for `count` words."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for word in itertools.islice(words, count):
            waiting.put(word)

        def client(_) -> list[float]:
            times = []
            connection = http.client.HTTPConnection(*self._address, timeout=60)
            with contextlib.closing(connection), contextlib.suppress(queue.Empty):
                while True:
                    times.append(self._ask(waiting.get_nowait(), connection))
            return times

        with ThreadPoolExecutor(clients) as threads:
            return list(itertools.chain.from_iterable(threads.map(client, range(clients))))

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

        def make(words=words, size=size):
            for start in range(0, len(words), size):
                model.produce_many(words[start : start + size], LANGUAGE)

        cpu, wall, _ = timed(make)
        if number:
            spent[name].append((cpu, wall, WORDS.value))
    for name, size in sizes.items():
        yield rounds.row("serve", name, np.array(spent[name]), "words", clients=size)
