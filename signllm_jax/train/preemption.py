"""How a run is asked to stop: SIGTERM (preemption, a scheduler), a closed terminal, and Ctrl-C."""

import os
import signal
import sys
import threading

from jax.experimental.multihost_utils import reached_preemption_sync_point

from signllm_jax.parallel import hosts


class StopSignal:
    """SIGTERM, SIGHUP and Ctrl-C ask the loop to save and end; a second Ctrl-C ends at once.

    SIGHUP stays ignored where it is, as under nohup.

    The signals are read from a pipe by a thread of its own: Python's handlers wait for the main
    thread, which may compile for minutes. Between several hosts SIGTERM is left to jax, which
    tells it to all of them and finds the step at which they stop.
    """

    def __init__(self):
        self._asked = False
        self._calls = 0
        self._several = hosts.count() > 1
        self._before = {}
        self._wakeup = -1

    def reached(self) -> bool:
        """Whether to stop here; called by all hosts at the same points, the same on all of them."""
        if not self._several:
            return self._asked
        self._calls += 1
        return reached_preemption_sync_point(self._calls)

    def __enter__(self):
        # only the main thread may set handlers; elsewhere the caller's stay
        if threading.current_thread() is threading.main_thread():
            self._read, self._write = os.pipe()
            os.set_blocking(self._write, False)
            self._wakeup = signal.set_wakeup_fd(self._write)
            numbers = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
            if self._several:
                numbers.remove(signal.SIGTERM)
            if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
                numbers.remove(signal.SIGHUP)
            for number in numbers:
                self._before[number] = signal.signal(number, lambda number, frame: None)
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def _watch(self):
        interrupts = 0
        while numbers := os.read(self._read, 64):
            self._asked = True  # whichever it is
            interrupts += numbers.count(signal.SIGINT)
            if interrupts > 1:
                os._exit(130)  # as a shell says it; nothing on the disk is ever half-written
            if interrupts:
                print("\nsaving; Ctrl-C again ends at once", file=sys.stderr, flush=True)
            if self._several:
                os.kill(os.getpid(), signal.SIGTERM)
        os.close(self._read)

    def __exit__(self, *error):
        if self._before:
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            os.close(self._write)  # ends the thread
