"""Video to .pose: python launch/extract.py --videos=DIR --output=DIR (after `make extract-env`)."""

from pathlib import Path

from absl import flags

from signllm_jax.core import cli

VIDEOS = flags.DEFINE_string("videos", None, "folder of videos, at any depth")
OUTPUT = flags.DEFINE_string("output", None, "folder to write the .pose files to")
MODEL = flags.DEFINE_string(
    "model", None, "holistic_landmarker.task of MediaPipe, by default the model of its package"
)
JOBS = flags.DEFINE_integer("jobs", 1, "processes at a time", lower_bound=1)


def main() -> None:
    """Reads the flags, extracts and prints what was found."""
    from signllm_jax.corpora.extract import extract, find_python, summary

    videos, output = cli.required(VIDEOS), cli.required(OUTPUT)
    python = find_python(Path(__file__).resolve().parents[1])
    cli.say(summary(extract(videos, output, python, JOBS.value, MODEL.value)))


if __name__ == "__main__":
    cli.run(main)
