"""Produces a clip: launch/produce.py --text=hello --language=asl --output=hello.mp4.

Or, from a question: --prompt="How do you sign 'hello' in American Sign Language?"; --language is
then needed only where the prompt does not name the sign language. Or a clip of every line of a
file: --texts=words.txt --output=FOLDER; `--texts=-` and `--text=-` read what a pipe brings. A model
that draws has many clips of a text: --seed=3 gives another one, --samples=4 four of them, FILE-1 to
FILE-4.
"""

import re
import sys
from pathlib import Path

from absl import flags

from signllm_jax.core import cli
from signllm_jax.core.errors import ConfigError, OutputError, SignLLMError, TextError

WORKDIR = flags.DEFINE_string(
    "workdir", None, "a trained run or export, by default the model that comes with the package"
)
LANGUAGE = flags.DEFINE_string("language", None, "the sign language: asl, ASL, ase, its name")
TEXT = flags.DEFINE_string("text", None, "text to sign; '-' means standard input")
PROMPT = flags.DEFINE_string("prompt", None, "question that asks for a sign, instead of --text")
TEXTS = flags.DEFINE_string("texts", None, "file with a text per line; '-' means standard input")
OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "file to write: .mp4 .webm .gif .png .html .glb .bvh .npz .pose .skels .json .zip .vtt .srt "
    ".eaf; with --texts a folder",
)
FORM = flags.DEFINE_string("form", "mp4", "with --texts: suffix of the files in the folder")
SEED = flags.DEFINE_integer("seed", 0, "selects the clip of a text, for a model that draws")
SAMPLES = flags.DEFINE_integer("samples", 1, "number of clips per text, for a model that draws")
TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "how far clips vary: 1 = as in the data, 0 = not at all"
)
HEADER = flags.DEFINE_enum(
    "pose_header",
    None,
    ["openpose", "holistic", "holistic_face", "holistic178"],
    "points of a .pose file: openpose, by default, or MediaPipe's, with its depth",
)
SMOOTH = flags.DEFINE_boolean("smooth", False, "take jitter off with a filter of 5 frames")


def main() -> int:
    """Reads the flags and writes the clip, or the clips."""
    from signllm_jax.api import SignLLM
    from signllm_jax.render.save import check_output

    if OUTPUT.value is None:
        raise ConfigError("--output is missing, for example --output=hello.mp4")
    if TEXTS.value is not None:
        if TEXT.value is not None or PROMPT.value is not None:
            raise ConfigError("--texts stands alone, without --text and --prompt")
        return produce_list(read_texts(TEXTS.value), OUTPUT.value)
    check_output(OUTPUT.value, HEADER.value)
    text = sys.stdin.read().strip() if TEXT.value == "-" else TEXT.value
    model = SignLLM.load(WORKDIR.value)
    request = model.read(text, PROMPT.value, LANGUAGE.value, SEED.value, TEMPERATURE.value)
    write(model, request, OUTPUT.value, PROMPT.value is not None)
    return 0


def write(model, request, output, with_gloss: bool = False) -> None:
    """Produces the clip of a request, or its samples, and writes and names the files."""
    from signllm_jax.inference.request import title
    from signllm_jax.poses.smooth import smoothed
    from signllm_jax.render.save import save_clip
    from signllm_jax.text.spelling import left_out

    made = model.sign(model.samples(request, SAMPLES.value))
    for signed in made:
        if isinstance(signed, SignLLMError):
            raise signed
    if with_gloss:
        cli.say(made[0].gloss or f"{request.language}: {request.text!r}")
    tokenizer = model.describe(request.language).tokenizer
    if tokenizer is not None and (note := left_out(request.text, tokenizer)):
        cli.say(note)
    for number, signed in enumerate(made, 1):
        path, shown = Path(output), title(request, signed.clip)
        if len(made) > 1:
            path = path.with_stem(f"{path.stem}-{number}")
        clip = smoothed(signed.clip) if SMOOTH.value else signed.clip
        save_clip(path, clip, text=shown, header=HEADER.value)
        cli.say(f"{path}: {shown}; {len(clip)} frames, {clip.seconds:.1f} s")


def read_texts(path: str) -> list[tuple[str, str]]:
    """(file and line, text) of every line that is not empty; raises TextError without a text."""
    name = "standard input" if path == "-" else path
    try:
        content = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise TextError(f"{name}: {reason}") from None
    lines = enumerate(map(str.strip, content.splitlines()), 1)
    texts = [(f"{name}:{number}", text) for number, text in lines if text]
    if not texts:
        raise TextError(f"{name}: has no text to sign")
    return texts


def produce_list(texts: list[tuple[str, str]], output: str) -> int:
    """Writes the clip of every text, loading the model once; prints the errors of texts."""
    from signllm_jax.api import SignLLM
    from signllm_jax.core.wording import counted
    from signllm_jax.render.save import SUFFIXES, check_output

    folder, wide = Path(output), len(str(len(texts)))
    if folder.suffix in SUFFIXES:
        raise OutputError(
            f"--output={folder}: --texts makes a folder; --form={folder.suffix[1:]} "
            "says what files are in it"
        )
    check_output(folder / f"1.{FORM.value}", HEADER.value)
    model, failed = SignLLM.load(WORKDIR.value), 0
    model.describe(LANGUAGE.value)  # a missing language is one error, not one for each text
    for number, (line, text) in enumerate(texts, 1):
        name = re.sub(r"\W+", "-", text).strip("-_")[:40] or "clip"
        try:
            request = model.read(text, None, LANGUAGE.value, SEED.value, TEMPERATURE.value)
            write(model, request, folder / f"{number:0{wide}d}-{name}.{FORM.value}")
        except SignLLMError as error:
            failed += 1
            print(f"{line}: {cli.printable(str(error))}", file=sys.stderr)
    made = len(texts) - failed
    print(f"{folder}: {counted(made, 'clip')} of {counted(len(texts), 'text')}")
    return cli.BAD_INPUT if failed else 0


if __name__ == "__main__":
    cli.run(main)
