"""Worker processes that stay alive between jobs, so that no import or compilation is timed.

A worker answers each JSON job, a line, with a JSON line of `cpu_seconds, wall_seconds, frames`.
"""

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence

from signllm_jax.core.errors import ConfigError


class Worker:
    """A process that answers jobs; a context manager that ends it.

    Attributes:
        name: Name of the worker in messages.
    """

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str]):
        """Starts the process.

        Args:
            name: Name of the worker in messages.
            command: Program and arguments.
            environment: All environment variables of the process.
        """
        self.name = name
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        assert process.stdin and process.stdout  # both are pipes
        self._process, self._jobs, self._answers = process, process.stdin, process.stdout

    def ask(self, job: Mapping[str, object]) -> dict:
        """The answer to a job; raises ConfigError where the process has ended."""
        try:
            self._jobs.write(json.dumps(job) + "\n")
            self._jobs.flush()
            return json.loads(self._answers.readline())
        except (OSError, ValueError):
            raise ConfigError(
                f"--against: the worker {self.name} ended without an answer"
            ) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):  # the process ended before it read everything
            self._jobs.close()
        self._process.wait()
        self._answers.close()
