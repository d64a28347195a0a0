"""Prepares a corpus: launch/prepare.py --source=DIR --format=pose --language=gsl --data_dir=DIR.

    python launch/prepare.py --check --data_dir=DIR     # what is odd in all that is prepared

Texts are read from --manifest: a csv file with the columns id and text, and gloss, signer, split
and language where it has them; or a folder with <split>.files, <split>.text and <split>.gloss.
"""

import os

from absl import flags

from signllm_jax.core import cli

FORMATS = ("openpose", "dwpose", "pose", "mediapipe", "skels")
SOURCE = flags.DEFINE_string("source", None, "folder of the corpus")
FORMAT = flags.DEFINE_enum("format", None, FORMATS, "of its poses")
LANGUAGE = flags.DEFINE_string("language", None, "code of the sign language, for example asl")
NAME = flags.DEFINE_string("name", None, "name of the corpus, by default that of its folder")
MANIFEST = flags.DEFINE_string("manifest", None, "csv or folder of texts, by default --source")
DATA_DIR = flags.DEFINE_string("data_dir", None, "where it is written, by default the cache")
FPS = flags.DEFINE_float("fps", 0.0, "frames per second, instead of those that a file stores")
PICTURE = flags.DEFINE_string("picture", None, "WIDTHxHEIGHT of coordinates of 0 to 1 or -1 to 1")
LIFT = flags.DEFINE_enum("lift", "best", ("best", "reference"), "how flat keypoints get depth")
LAYOUT = flags.DEFINE_enum("layout", "openpose50", ("openpose50", "dwpose128"), "of the clips made")
PROMPTS = flags.DEFINE_string("prompts", None, "file of prompt templates, by default our own")
SPLIT = flags.DEFINE_enum("split", "", ("", "train", "dev", "test"), "of all clips, for a trial")
LIMIT = flags.DEFINE_integer("limit", 0, "only the first clips, for a trial; 0 = all", 0)
WORKERS = flags.DEFINE_integer("workers", os.cpu_count() or 1, "processes", 1)
SKELS = flags.DEFINE_string("skels", None, "folder to write it to as .skels and texts as well")
BEAM_RUNNER = flags.DEFINE_string("beam_runner", "", "an Apache Beam runner instead of processes")
CHECK = flags.DEFINE_bool("check", False, "say what is odd in the prepared data")


def main() -> None:
    """Reads the flags, prepares or checks, and says what came of it."""
    # the same bits on every machine, and an accelerator has no room for several processes
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from signllm_jax.core.errors import ConfigError
    from signllm_jax.corpora.prepare import Settings, picture_size
    from signllm_jax.data.prepare_corpus import prepare_corpus
    from signllm_jax.data.splits import default_data_dir
    from signllm_jax.text.prompts import read_templates

    data_dir = DATA_DIR.value or default_data_dir()
    if CHECK.value:
        from signllm_jax.data.check import check

        for line in check(data_dir, LANGUAGE.value):
            print(line)
        return
    for flag in (SOURCE, FORMAT, LANGUAGE):
        if not flag.value:
            raise ConfigError(f"--{flag.name} is missing")
    name = NAME.value or os.path.basename(os.path.abspath(SOURCE.value)).lower().replace("_", "-")
    settings = Settings(
        LANGUAGE.value,
        name,
        FORMAT.value,
        fps=FPS.value,
        lift=LIFT.value,
        layout=LAYOUT.value,
        templates=tuple(read_templates(PROMPTS.value)) if PROMPTS.value else (),
        picture=picture_size(PICTURE.value),
    )
    report = prepare_corpus(
        settings,
        SOURCE.value,
        data_dir,
        manifest=MANIFEST.value,
        split=SPLIT.value,
        limit=LIMIT.value,
        workers=WORKERS.value,
        beam_runner=BEAM_RUNNER.value,
        skels=SKELS.value,
    )
    counts = ", ".join(f"{split} {count}" for split, count in report["splits"].items())
    report_md = os.path.join(data_dir, "prepared", settings.language, name, "prepare_report.md")
    print(f"{report['clips_out']} of {report['clips_in']} clips ({counts}): {report_md}")


if __name__ == "__main__":
    cli.run(main)
