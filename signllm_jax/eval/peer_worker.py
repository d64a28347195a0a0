"""Signs texts with spoken-to-signed, in an environment of its own that has no signllm_jax.

    python peer_worker.py [LEXICON] < jobs.json

Standard input is a JSON list of `{"text", "spoken", "signed", "output"}`; each clip is written to
its output as `.pose`. Standard output is JSON: the versions, and for each job an error or "".
Words that are not in the lexicon are spelled with the alphabets of the package.
"""

import contextlib
import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path

COLUMNS = "path,spoken_language,signed_language,start,end,words,glosses,priority\n"


def main() -> None:
    """Signs all jobs."""
    with contextlib.redirect_stdout(sys.stderr):  # where the packages say what they do
        errors = sign(json.load(sys.stdin))
    names = ("spoken-to-signed", "pose-format")
    versions = {name: importlib.metadata.version(name) for name in names}
    json.dump({"versions": versions, "errors": errors}, sys.stdout)


def sign(jobs: list[dict[str, str]]) -> list[str]:
    """Writes the clips of all jobs; an error for each, or ""."""
    from spoken_to_signed.gloss_to_pose import CSVPoseLookup, gloss_to_pose
    from spoken_to_signed.gloss_to_pose.lookup.fingerspelling_lookup import FingerspellingPoseLookup
    from spoken_to_signed.text_to_gloss.simple import text_to_gloss

    errors = []
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "index.csv").write_text(COLUMNS)
        lexicon = sys.argv[1] if len(sys.argv) > 1 else empty
        lookup = CSVPoseLookup(lexicon, backup=FingerspellingPoseLookup())
        for job in jobs:
            try:
                (gloss,) = text_to_gloss(job["text"], job["spoken"])
                made = gloss_to_pose(gloss, lookup, job["spoken"], job["signed"])
                with open(job["output"], "wb") as file:
                    made.pose.write(file)
                errors.append("")
            except Exception as error:  # whatever the peer raises costs this clip
                errors.append(f"{type(error).__name__}: {error}"[:200])
    return errors


if __name__ == "__main__":
    main()
