"""Prepares the parts of a corpus with Apache Beam (extra `beam`), for corpora of many machines.

A worker prepares a part as a process of one machine does, and writes it to the same place: the
folder must be one that all workers reach (a bucket, a network disk).
"""

import os
from collections.abc import Sequence

from etils import epath

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.wording import how_to_install
from signllm_jax.corpora.prepare import Settings
from signllm_jax.corpora.shards import Part, make_part


def _make_on_worker(part: Part, settings: Settings, folder: str) -> str:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the same bits as anywhere else
    return make_part(part, settings, folder)


def make_parts(parts: Sequence[Part], settings: Settings, folder: epath.Path, runner: str) -> None:
    """Makes parts on a Beam runner.

    Args:
        parts: the parts to make.
        settings: the settings of their corpus.
        folder: folder that they are written to, which all workers reach.
        runner: `DirectRunner`, `DataflowRunner`, `SparkRunner` or `FlinkRunner`, with any options
            after it: `DataflowRunner --project=P --region=R --temp_location=gs://B/tmp`.

    Raises:
        ConfigError: Beam is not installed, or does not know the runner.
        DataError: the pipeline failed.
    """
    try:
        import apache_beam as beam  # pyright: ignore[reportMissingImports]  # an extra
        from apache_beam.options.pipeline_options import PipelineOptions  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise ConfigError(
            f"--beam_runner needs Apache Beam: {how_to_install('beam')} "
            "(in an environment of its own: it asks for other versions of protobuf and pyarrow)"
        ) from None
    if not parts:
        return
    name, *flags = runner.split()
    try:
        with beam.Pipeline(runner=name, options=PipelineOptions(flags)) as pipeline:
            _ = (
                pipeline
                | "parts" >> beam.Create(list(parts))
                | "spread" >> beam.Reshuffle()
                | "prepare" >> beam.Map(_make_on_worker, settings, str(folder))
            )
    except ValueError as error:
        raise ConfigError(f"--beam_runner={runner}: {error}") from None
    except RuntimeError as error:
        raise DataError(f"{name}: {str(error).splitlines()[0]}") from error
