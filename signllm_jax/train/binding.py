"""A run is bound to the data it began with, and names the clips of it that are damaged."""

import sys
from collections.abc import Callable, Mapping

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import DataError
from signllm_jax.corpora.digests import first_changed
from signllm_jax.parallel import hosts
from signllm_jax.train.task import TrainData


class BadClips:
    """Names damaged train clips as they are met, each once.

    Args:
        data: the batches of this host.
        most: how many may be skipped.
    """

    def __init__(self, data: TrainData, most: int):
        self._data, self._most, self._named = data, most, 0

    def name(self, say: Callable[[str], None]) -> None:
        """Says what was skipped since the last call, on the others than the first host on stderr.

        Args:
            say: writes a line to the log, which only the first host has.
        """
        bad = self._data.bad
        for line in bad[self._named :]:
            line = f"{line}: skipped, {len(bad)} of at most {self._most}"
            say(line) if hosts.is_first() else print(line, file=sys.stderr)
        self._named = len(bad)


def check_data(
    workdir: Workdir, data: Mapping[str, str], held: Mapping[str, str] | None
) -> list[str]:
    """Refuses to go on with other data.

    Args:
        workdir: of the run.
        data: digests of the data that is here, see `Task.data_digests`.
        held: those that a checkpoint or the work directory notes; None = none.

    Returns:
        What a run that goes on should say: that it is from before digests were noted.

    Raises:
        DataError: the data is not the run's; it names the split.
    """
    if held is None:
        return ["the run is from before data was digested: it goes on with the data that is here"]
    changed = first_changed(data, held)
    if changed is not None:
        raise DataError(
            f"{workdir.path}: the run was trained on other data: {changed} is "
            f"{held.get(changed, 'nothing')[:12]} there, {data.get(changed, 'nothing')[:12]} here; "
            "give its data (--config.data.data_dir) or choose another --workdir"
        )
    return []
