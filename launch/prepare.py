"""Prepares a corpus: launch/prepare.py --source=DIR --format=pose --language=gsl --data_dir=DIR.

    python launch/prepare.py --check --data_dir=DIR     # what is odd in all that is prepared

Texts are read from --manifest: the label files of many corpora as they are published, which are
recognized or named by --dialect; any table with columns for id and text, and start and end of
segments, gloss, signer, split and language where it has them; subtitles beside the videos; or a
folder with <split>.files, <split>.text and <split>.gloss. docs/manifests.md lists all of them.
"""

import os

from absl import flags

from signllm_jax.core import cli

FORMATS = ("openpose", "dwpose", "pose", "mediapipe", "skels")
SOURCE = flags.DEFINE_string("source", None, "folder of the corpus")
FORMAT = flags.DEFINE_enum("format", None, FORMATS, "of its poses")
LANGUAGE = flags.DEFINE_string("language", None, "the sign language: asl, ASL, ase, its name")
NAME = flags.DEFINE_string("name", None, "name of the corpus, by default that of its folder")
MANIFEST = flags.DEFINE_string("manifest", None, "file or folder of labels, by default --source")
DIALECT = flags.DEFINE_string("dialect", "", "of the manifest, by default recognized")
ID_COLUMN = flags.DEFINE_string("id_column", "", "column of the manifest with the clips' names")
TEXT_COLUMN = flags.DEFINE_string("text_column", "", "column, or ELAN tier, with the texts")
GLOSS_COLUMN = flags.DEFINE_string("gloss_column", "", "column, or ELAN tier, with the glosses")
SPLIT_COLUMN = flags.DEFINE_string("split_column", "", "column with train, dev or test")
ENCODING = flags.DEFINE_string("encoding", "", "of the manifest, by default UTF-8")
GLOSS_RULES = flags.DEFINE_string(
    "gloss_rules", "", "how glosses are cleaned: plain, phoenix, dgs ...; by default the dialect's"
)
MAX_BAD = flags.DEFINE_string("max_bad", "100%", "stop when more of the clips than this are bad")
DATA_DIR = flags.DEFINE_string("data_dir", None, "where it is written, by default the cache")
FPS = flags.DEFINE_float("fps", 0.0, "frames per second, instead of those that a file stores")
PICTURE = flags.DEFINE_string("picture", None, "WIDTHxHEIGHT of coordinates of 0 to 1 or -1 to 1")
LIFT = flags.DEFINE_enum("lift", "best", ("best", "reference"), "how flat keypoints get depth")
LAYOUT = flags.DEFINE_enum("layout", "openpose50", ("openpose50", "dwpose128"), "of the clips made")
ANONYMIZE = flags.DEFINE_bool(
    "anonymize", False, "put an average signer's body in the place of each signer's own"
)
PROMPTS = flags.DEFINE_string("prompts", None, "file of prompt templates, by default our own")
SPLIT = flags.DEFINE_enum("split", "", ("", "train", "dev", "test"), "of all clips, for a trial")
LIMIT = flags.DEFINE_integer("limit", 0, "only the first clips, for a trial; 0 = all", 0)
WORKERS = flags.DEFINE_integer("workers", os.cpu_count() or 1, "processes", 1)
EXPORT_SKELS = flags.DEFINE_string(
    "export_skels", None, "file to write the original's own numbers to, of --lift=reference"
)
SKELS = flags.DEFINE_string("skels", None, "folder to write it to as .skels and texts as well")
COMPOSE = flags.DEFINE_string(
    "compose", None, "grammar by which takes of single signs become sentences (docs/compose.md)"
)
BEAM_RUNNER = flags.DEFINE_string("beam_runner", "", "an Apache Beam runner instead of processes")
CHECK = flags.DEFINE_bool("check", False, "say what is odd in the prepared data")
COLUMNS = {"id": ID_COLUMN, "text": TEXT_COLUMN, "gloss": GLOSS_COLUMN, "split": SPLIT_COLUMN}
READING = (DIALECT, *COLUMNS.values(), ENCODING, GLOSS_RULES)
WAYS = (PROMPTS, SPLIT, LIMIT, WORKERS, MAX_BAD, EXPORT_SKELS, SKELS, BEAM_RUNNER)


def main() -> None:
    """Reads the flags, prepares or checks, and says what came of it."""
    # the same bits on every machine, and an accelerator has no room for several processes
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    from signllm_jax.core.errors import ConfigError, SignLLMError
    from signllm_jax.corpora.manifest import Reading, read_manifest
    from signllm_jax.corpora.pose_formats import picture_size
    from signllm_jax.corpora.prepare import Settings
    from signllm_jax.data.prepare_corpus import prepare_corpus, read_share
    from signllm_jax.data.prepare_report import summary
    from signllm_jax.data.splits import default_data_dir
    from signllm_jax.text.prompts import read_templates

    data_dir = DATA_DIR.value or default_data_dir()
    if CHECK.value:
        for flag in (SOURCE, FORMAT, NAME, MANIFEST, *READING, FPS, PICTURE, LIFT, LAYOUT, *WAYS):
            if flag.present:
                raise ConfigError(f"--{flag.name} has no meaning beside --check")
        from signllm_jax.data.check import check

        for line in check(data_dir, LANGUAGE.value):
            cli.say(line)
        return
    source, form, language = map(cli.required, (SOURCE, FORMAT, LANGUAGE))
    name = NAME.value or os.path.basename(os.path.abspath(source)).lower().replace("_", "-")
    reading = Reading(
        dialect=DIALECT.value,
        columns=tuple((field, flag.value) for field, flag in COLUMNS.items()),
        encoding=ENCODING.value,
        gloss_rules=GLOSS_RULES.value,
    )
    max_bad = read_share(MAX_BAD.value)
    try:
        settings = Settings(
            language,
            name,
            form,
            fps=FPS.value,
            lift=LIFT.value,
            layout=LAYOUT.value,
            templates=tuple(read_templates(PROMPTS.value)) if PROMPTS.value else (),
            picture=picture_size(PICTURE.value),
            anonymize=ANONYMIZE.value,
        )
    except SignLLMError as error:
        try:  # what is wrong with the manifest is said at the same time
            read_manifest(MANIFEST.value or source, reading, source)
        except SignLLMError as other:
            raise ConfigError(f"{other}; and {error}") from None
        raise
    report = prepare_corpus(
        settings,
        source,
        data_dir,
        manifest=MANIFEST.value,
        reading=reading,
        max_bad=max_bad,
        split=SPLIT.value,
        limit=LIMIT.value,
        workers=WORKERS.value,
        beam_runner=BEAM_RUNNER.value,
        skels=SKELS.value,
        reference=EXPORT_SKELS.value,
        grammar=COMPOSE.value,
    )
    report_md = os.path.join(data_dir, "prepared", settings.language, name, "prepare_report.md")
    cli.say("\n".join(summary(report, report_md)))


if __name__ == "__main__":
    cli.run(main)
