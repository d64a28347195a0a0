"""Produces a clip: launch/produce.py --workdir=DIR --language=asl --text=hello --output=FILE.

Or, from a question: --prompt="How do you sign 'hello' in American Sign Language?"; --language is
then needed only where the prompt does not name the sign language. A model that draws has many clips
of a text: --seed=3 gives another one, --samples=4 four of them, FILE-1 to FILE-4.
"""

from pathlib import Path

from absl import flags

from signllm_jax.core import cli

WORKDIR = flags.DEFINE_string("workdir", None, "a trained run")
LANGUAGE = flags.DEFINE_string("language", None, "code of the sign language, for example asl")
TEXT = flags.DEFINE_string("text", None, "what to sign")
PROMPT = flags.DEFINE_string("prompt", None, "a question for what to sign, instead of --text")
OUTPUT = flags.DEFINE_string(
    "output", None, "file to write: .mp4 .gif .png .html .glb .npz .pose .skels .json .zip"
)
SEED = flags.DEFINE_integer("seed", 0, "which clip of the text, of a model that draws")
SAMPLES = flags.DEFINE_integer("samples", 1, "how many clips of the text, of a model that draws")
TEMPERATURE = flags.DEFINE_float(
    "temperature", 1.0, "how far they vary: 1 as those of the data do, 0 not at all"
)
SMOOTH = flags.DEFINE_boolean("smooth", False, "take jitter off with a filter of 5 frames")


def main() -> None:
    """Reads the flags and writes the clips."""
    from signllm_jax.api import SignLLM
    from signllm_jax.core.errors import ConfigError, SignLLMError
    from signllm_jax.poses.smooth import smoothed
    from signllm_jax.render.save import check_output, save_clip
    from signllm_jax.text.spelling import left_out

    for flag in (WORKDIR, OUTPUT):
        if flag.value is None:
            raise ConfigError(f"--{flag.name} is missing")
    check_output(OUTPUT.value)
    model = SignLLM.load(WORKDIR.value)
    given = TEXT.value, PROMPT.value, LANGUAGE.value
    request = model.read(*given, SEED.value, TEMPERATURE.value)
    made = model.sign(model.samples(request, SAMPLES.value))
    for signed in made:
        if isinstance(signed, SignLLMError):
            raise signed
    if PROMPT.value is not None:
        print(made[0].gloss or f"{request.language}: {request.text!r}")
    tokenizer = model.describe(request.language).tokenizer
    if tokenizer is not None and (said := left_out(request.text, tokenizer)):
        print(said)
    for number, signed in enumerate(made, 1):
        path = OUTPUT.value
        if len(made) > 1:
            path = Path(path).with_stem(f"{Path(path).stem}-{number}")
        clip = smoothed(signed.clip) if SMOOTH.value else signed.clip
        save_clip(path, clip, text=request.text)
        print(f"{path}: {len(clip)} frames, {len(clip) / clip.fps:.1f} s")


if __name__ == "__main__":
    cli.run(main)
