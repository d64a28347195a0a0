"""Hosts that watch each other: when one fails or is lost, all end, each with one line.

A collective that waits for a lost host may wait for ever, so threads watch the hosts and end the
process. jax's own heartbeat ends it too, without such a line, also where a thread cannot: when the
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
"""Seconds without a sign of life after which jax considers a process lost.

jax may notice after half of that time, so half of it is more than LOST: our line comes first.
"""
BEHIND, STANDING = 600.0, 3600.0
"""Seconds for which a host may stay behind the others, and for which all may stand still, before a
host is considered hung: its thread gives signs of life, but its training makes no progress."""
LOST_HOST = 3
"""The exit code when another host was lost or has hung: start all again."""
_ENDED, _BEATS, _OVER = "signllm/ended", "signllm/beats", "over"
_ACKNOWLEDGE = 5_000  # milliseconds


class Seen(NamedTuple):
    """The last sign of life of a host.

    Attributes:
        beat: Last message of the host; OVER when it is done.
        beat_at: Time of that message in seconds.
        made: Number of pieces of the run that the host had done.
        made_at: Time in seconds when the last of them was done.
    """

    beat: str
    beat_at: float
    made: int
    made_at: float

    @classmethod
    def after(cls, before: "Seen | None", beat: str, now: float) -> "Seen":
        """The state after a beat that was read now."""
        before = before or cls(beat, now, 0, now)
        count = beat.partition(" ")[2]
        made = int(count) if count else before.made
        beat_at = before.beat_at if beat == before.beat else now
        return cls(beat, beat_at, made, before.made_at if made == before.made else now)


def fault(seen: Mapping[int, Seen], now: float) -> str | None:
    """The fault of the hosts in a line, None if there is none.

    A host without signs of life is lost. A host that lives and stays behind the others has hung. If
    all stand still and none is behind, one of them has hung, and it is not known which.
    """
    running = {host: last for host, last in seen.items() if last.beat != _OVER}
    if lost := [host for host, last in running.items() if now - last.beat_at > LOST]:
        return f"host {_named(lost)} gave no sign of life for {LOST:.0f} s and is lost"
    if len(running) < len(seen) or not running:
        return None  # some have ended: the others may take their time for what is left
    most = max(last.made for last in running.values())
    idle = {host: now - last.made_at for host, last in running.items()}
    if behind := [host for host in running if running[host].made < most and idle[host] > BEHIND]:
        return f"host {_named(behind)} has hung: it lives, but made no progress for {BEHIND:.0f} s"
    if min(idle.values()) > STANDING:
        return f"a host has hung: none made progress for {STANDING:.0f} s"
    return None


def _named(hosts: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(hosts)))


class Watch:
    """Listens from the start for the end of the other hosts.

    Args:
        client: Client of the coordination service.
        host: Number of this host; the service is on host 0.
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

        An error of the runtime waits first, since it may come from the loss of another host.
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
            ending = json.loads(self._client.blocking_key_value_get(_ENDED, 1 << 40))
        except Exception:  # the coordination service is gone
            if not self._over.is_set():
                self._last_words("the first host is lost", LOST_HOST)
            return
        if ending["host"] != self._host:
            self._last_words(f"host {ending['host']}: {ending['line']}", ending["code"])

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
        if line := fault({int(key.rpartition("/")[2]): last for key, last in seen.items()}, now):
            self._tell(LOST_HOST, line)
            self._last_words(line, LOST_HOST)

    def _tell(self, code: int, line: str):
        ending = json.dumps({"host": self._host, "code": code, "line": line})
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # another host was first
            self._client.key_value_set(_ENDED, ending)

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
