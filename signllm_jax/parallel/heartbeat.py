"""Hosts that watch each other: when one fails or is lost, all end, each with one line.

A collective that waits for a lost host may wait for ever, so this is done by threads, which end
the process. jax's own heartbeat does the same less politely, and where a thread cannot: when the
first host, which holds the coordination service, is lost.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

import jax

BEAT, LOST = 4.0, 20.0
"""Seconds between the signs of life of training hosts, and without one until a host is lost."""
HEARTBEAT = int(2 * (LOST + BEAT)) + 8
"""Seconds without a sign of life after which jax takes a process for lost.

It may see one in half of that time, so that half is more than ours: ours, with its line, is first.
"""
BEHIND, STANDING = 600.0, 3600.0
"""Seconds for which a host may stay behind the others, and for which all may stand still, until a
host has hung: its thread gives signs of life, its training makes no progress."""
LOST_HOST = 3
"""The exit code when another host was lost or has hung: start all again."""
_ENDED, _BEATS, _OVER = "signllm/ended", "signllm/beats", "over"
_ACKNOWLEDGE = 5_000  # milliseconds


class Seen(NamedTuple):
    """What was last seen of a host.

    Attributes:
        beat: what it said; OVER when it is done.
        beat_at: when that came.
        made: pieces of the run that it had done.
        made_at: when the last of them was done.
    """

    beat: str
    beat_at: float
    made: int
    made_at: float

    @classmethod
    def after(cls, before: "Seen | None", beat: str, now: float) -> "Seen":
        """With a beat that was read now."""
        told = beat.partition(" ")[2]
        made = int(told) if told else before.made if before else 0
        if before is None:
            return cls(beat, now, made, now)
        return cls(
            beat,
            before.beat_at if beat == before.beat else now,
            made,
            before.made_at if made == before.made else now,
        )


def fault(seen: Mapping[int, Seen], now: float) -> str | None:
    """What is wrong with the hosts, in a line, None if nothing is.

    A host without signs of life is lost. One that lives and stays behind the others has hung; when
    all stand still and none is behind, one of them has, and nobody can say which.
    """
    running = {host: each for host, each in seen.items() if each.beat != _OVER}
    lost = [host for host, each in running.items() if now - each.beat_at > LOST]
    if lost:
        return f"host {_named(lost)} gave no sign of life for {LOST:.0f} s and is lost"
    if len(running) < len(seen) or not running:
        return None  # some have ended: what the others still do takes its time
    most = max(each.made for each in running.values())
    behind = [
        host for host, each in running.items() if each.made < most and now - each.made_at > BEHIND
    ]
    if behind:
        return f"host {_named(behind)} has hung: it lives, but made no progress for {BEHIND:.0f} s"
    if all(now - each.made_at > STANDING for each in running.values()):
        return f"a host has hung: none made progress for {STANDING:.0f} s"
    return None


def _named(hosts: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(hosts)))


class Watch:
    """Listens from the start to what the other hosts say of their end.

    Args:
        client: of the coordination service.
        host: the number of this one; the service is on host 0.
    """

    def __init__(self, client, host: int):
        self._client, self._host = client, host
        self._over = threading.Event()
        self._made = 0  # pieces of the run that this host has done
        self._ending = threading.Lock()  # whoever takes it has the last word on this host
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """The run has ended well on all hosts."""
        self._over.set()

    def end(self, error: BaseException, report: Callable[[BaseException], int]) -> NoReturn:
        """Reports an error, tells the others, and ends the process.

        What comes from the runtime is first given time to turn out as the loss of another host.
        """
        if _of_runtime(error):
            time.sleep(LOST + 2 * BEAT)
        self._ending.acquire()  # never free again
        code = exit_code(error) if isinstance(error, SystemExit) else report(error)
        self._tell(code, " ".join(str(error).split()) or type(error).__name__)
        self._leave(code)

    def progress(self) -> None:
        """This host has done the next piece of the run, of those that all hosts do."""
        self._made += 1

    @contextlib.contextmanager
    def beating(self):
        """Gives signs of life and of progress, and on the first host looks for the others'."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        thread.start()
        yield
        stop.set()  # after an error they go on until `end`, for it may be a lost host's
        thread.join()

    def _listen(self):
        try:
            told = json.loads(self._client.blocking_key_value_get(_ENDED, 1 << 40))
        except Exception:  # the coordination service is gone
            if not self._over.is_set():
                self._last_words("the first host is lost", LOST_HOST)
            return
        if told["host"] != self._host:
            self._last_words(f"host {told['host']}: {told['line']}", told["code"])

    def _beat(self, stop: threading.Event):
        seen: dict[str, Seen] = {}  # by host
        number = 0
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # the service is gone
            while not stop.wait(BEAT if number else 0):
                number += 1
                self._sign(f"{number} {self._made}")
                if self._host == 0:
                    self._look(seen)
            self._sign(_OVER)

    def _sign(self, beat: str):
        self._client.key_value_set(f"{_BEATS}/{self._host}", beat, allow_overwrite=True)

    def _look(self, seen: dict[str, "Seen"]):
        now = time.monotonic()
        for key, beat in self._client.key_value_dir_get(f"{_BEATS}/"):
            seen[key] = Seen.after(seen.get(key), beat, now)
        if line := fault({int(key.rpartition("/")[2]): each for key, each in seen.items()}, now):
            self._tell(LOST_HOST, line)
            self._last_words(line, LOST_HOST)

    def _tell(self, code: int, line: str):
        told = json.dumps({"host": self._host, "code": code, "line": line})
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # another was first
            self._client.key_value_set(_ENDED, told)

    def _last_words(self, line: str, code: int):
        self._ending.acquire()
        print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr, flush=True)
        self._leave(code)

    def _leave(self, code: int) -> NoReturn:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            self._client.wait_at_barrier(f"{_ENDED}/heard", _ACKNOWLEDGE)
        if self._host == 0:
            time.sleep(1)  # the service goes with this process, and would take the others' words
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def exit_code(ending: SystemExit) -> int:
    """The code that Python ends with; a reason in place of one is printed, as Python does."""
    if ending.code is None or isinstance(ending.code, int):
        return ending.code or 0
    print(ending.code, file=sys.stderr)
    return 1


def _of_runtime(error: BaseException | None) -> bool:
    """Whether the runtime raised an error or what it followed from."""
    while error is not None and not isinstance(error, jax.errors.JaxRuntimeError):
        error = error.__cause__ or error.__context__
    return error is not None
