"""Stops a run on SIGTERM (preemption, a scheduler), a closed terminal, or Ctrl-C."""

import os
import signal
import sys
import threading

from jax.experimental.multihost_utils import reached_preemption_sync_point

from signllm_jax.parallel import hosts


class StopSignal:
    """SIGTERM, SIGHUP and Ctrl-C ask the loop to save and end; a second Ctrl-C ends at once.

    SIGHUP stays ignored if it is ignored already, as under nohup.

    A separate thread reads the signals from a pipe, because Python runs handlers in the main
    thread, which may be compiling for minutes. With several hosts, jax handles SIGTERM: it tells
    all hosts and chooses the step at which they stop.
    """

    def __init__(self):
        self._asked = False
        self._calls = 0
        self._several = hosts.count() > 1
        self._before = {}
        self._wakeup = -1

    def reached(self) -> bool:
        """Whether to stop now; all hosts call it at the same points and get the same answer."""
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
            self._asked = True  # any of the signals
            interrupts += numbers.count(signal.SIGINT)
            if interrupts > 1:
                os._exit(130)  # the exit code of Ctrl-C in a shell; no file is ever half-written
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
