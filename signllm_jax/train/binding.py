"""Binds a run to the data it started with, and reports damaged clips of that data."""

import sys
from collections.abc import Callable, Mapping, Sequence

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import DataError
from signllm_jax.corpora.digests import first_changed
from signllm_jax.parallel import hosts


def report_bad_clips(bad: Sequence[str], reported: int, most: int, say: Callable) -> int:
    """Reports the damaged train clips that were skipped since the last report.

    Args:
        bad: What is wrong with each skipped clip of this host.
        reported: Number of clips reported before.
        most: Number of clips that may be skipped.
        say: Writes a line to the log of the first host; the other hosts print to stderr.

    Returns:
        The number of clips reported now and before.
    """
    lines = [f"{line}: skipped, {len(bad)} of at most {most}" for line in bad[reported:]]
    for line in lines:
        say(line) if hosts.is_first() else print(line, file=sys.stderr)
    return reported + len(lines)


def check_data(
    workdir: Workdir, data: Mapping[str, str], held: Mapping[str, str] | None
) -> list[str]:
    """Checks that a resumed run still has the same data.

    Args:
        workdir: Work directory of the run.
        data: Digests of the current data, see `Task.data_digests`.
        held: Digests from the checkpoint or the work directory; None if it has none.

    Returns:
        Lines to log when the run resumes: a notice if the run is older than data digests.

    Raises:
        DataError: The data has changed; the message names the split.
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
