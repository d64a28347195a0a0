"""Waiting in a test for what another thread does."""

import time


def until(condition, seconds: float = 30):
    """Waits until a condition holds; fails the test where it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
