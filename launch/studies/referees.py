"""Which figure sees which fault: docs/referees.md, from faults planted into real takes.

The takes are of the embedded corpus of many signers, so no data are needed. It takes about two CPU
minutes.
"""

import random
from collections.abc import Collection, Mapping
from pathlib import Path

from signllm_jax.artifacts.group import write_file
from signllm_jax.core import markdown
from signllm_jax.corpora import spelled_signers, spelled_texts
from signllm_jax.corpora.signers import SIGNERS
from signllm_jax.eval import referees, warnings
from signllm_jax.eval.faults import FAULTS
from signllm_jax.metrics import catalogue, motion
from signllm_jax.metrics.variety import places_of, real_variety
from signllm_jax.poses.clip import PoseClip

TEXTS, LETTERS = 24, (3, 6)
"""Number of words, and their least and greatest number of letters."""
TAKES = 4
"""Number of real takes of a text; faults are planted into as many takes by the other signers."""
FIRES = "**!**"
MEANINGS = {
    "dtw_expected": "mean DTW distance of a real take to the productions of its text",
    "dtw_best": "the same to the nearest of these productions; they are as many as the takes",
    "smooth_travel_ratio": "how far the hands go without jitter, by that of real takes",
    "smooth_speed_ratio": "the same by seconds",
    "hand_travel_ratio": "how far they go with it, by that of real takes",
    "hand_speed_ratio": "the same by seconds",
    "jerk_ratio": "mean length of the third difference of the hands' joints, by that of real takes",
    "duration_ratio": "total seconds, by those of real takes",
    "joints_missing": "share of the joints that the real take shows and the production does not",
    "tstd_ratio": "deviation of a joint over a clip's time, by that of real takes",
    "frechet": "Fréchet distance of poses and velocities, with as many clips on both sides",
    "diversity_ratio": "mean distance between two productions of a text, by that of its takes",
    "tau1": (
        "initial pose: mean distance between the first poses of productions of different texts, by "
        "that of real takes"
    ),
    "tau2": "output diversity: the same of whole productions, by DTW",
    "tau3": (
        "faithfulness: mean distance to takes of another text, by that to other takes of the own; "
        "1 where the text does not matter"
    ),
    "mixed_hands": (
        "share of the productions of one-handed texts that show each hand in a tenth of the frames"
    ),
    "left_handed": "share of the productions of one-handed texts that show the left hand more",
}


def real_takes(
    texts: int, letters: tuple[int, int] = LETTERS
) -> tuple[list[str], list[PoseClip], list[PoseClip]]:
    """Words with four real takes each and four by the other signers: texts, takes, others."""
    low, high = letters
    words = [w for w in spelled_texts.texts("asl")["test"] if low <= len(w) <= high][:texts]
    named, references, others = [], [], []
    for word in words:
        signers = random.Random(word).sample(SIGNERS, 2 * TAKES)
        clips = [spelled_signers.example_of("asl", word, s, 0, "test").clip for s in signers]
        named += [word] * TAKES
        references += clips[:TAKES]
        others += clips[TAKES:]
    return named, references, others


def judged(
    texts: int, letters: tuple[int, int] = LETTERS, faults: Collection[str] = FAULTS
) -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
    """Row -> its figures, and row -> the kinds of its warnings; "real takes" is the first row."""
    words, references, others = real_takes(texts, letters)
    both = [*references, *others]
    takes = {word: [both[i] for i in indices] for word, indices in places_of(words * 2).items()}
    real = real_variety(words, references)
    rows = {"real takes": others}
    rows |= {name: FAULTS[name].plant(words, others, takes) for name in faults}
    figures = {name: referees.figures(words, references, row, real) for name, row in rows.items()}
    kinds = {}
    for name, row in figures.items():
        collapse = row.get("hand_travel_ratio", 1.0) < motion.COLLAPSE
        kinds[name] = [*warnings.motion(row | {"collapse": collapse})]
    return figures, kinds


def write(path: Path, texts: int = TEXTS) -> Path:
    """Writes the page with figures of so many words; returns its path."""
    figures, warned_of = judged(texts)
    real = figures["real takes"]
    meanings = [[catalogue.METRICS[n].title, what, _bounds(n)] for n, what in MEANINGS.items()]
    planted = [[name, fault.what] for name, fault in FAULTS.items()]
    warned = []
    for name, kinds in warned_of.items():
        fired = referees.fired(figures[name], real)
        titles = [catalogue.METRICS[figure].title for figure in MEANINGS if figure in fired]
        cells = ", ".join(kinds).replace("_", " "), "; ".join(titles)
        warned.append([name, *(cell or markdown.MISSING for cell in cells)])
    parts = [
        "# Referees: which figure sees which fault",
        "Where texts have several takes, a distance is no judge of productions: the mean pose is "
        "nearer to a real take than another real take is. Each way to fail needs a figure that "
        "sees it. Here every fault is planted into real takes, and every figure is asked.",
        f"The takes are of the embedded corpus of many signers (`fingerspelling_signers`): "
        f"{texts} words of {LETTERS[0]} to {LETTERS[1]} letters, {TAKES} takes of each as the real "
        f"ones, and the takes of the same words by the {TAKES} other signers, into which faults "
        "are planted. Written by",
        "```bash\npython launch/study.py referees\n```",
        "## Figures and faults",
        f"{FIRES}: the figure says that something is wrong. What is normal stands below.",
        _table(figures, real),
        "## What is planted",
        markdown.table(["fault", "what a model would produce"], planted, align="l"),
        "## Warnings of a report",
        "What `launch/evaluate.py` says of each row, by kind; of real takes it says nothing. Nor "
        "does it warn of another text or of one text for all, which move about as real takes do; a "
        "reader's CER sees both.",
        markdown.table(["fault", "warnings", "figures that see it"], warned, align="l"),
        _warning_bounds(),
        "## Definitions",
        "Distances are DTW distances in shoulder widths over joints that both clips show. A "
        "production is held against real takes of its own text; texts have as many productions "
        "as takes, so both sides count alike.",
        markdown.table(["figure", "what it is", "normal, not marked"], meanings, align="l"),
        "τ1, τ2 and τ3 are our reading of arXiv 2606.01643, which names the levels (initial pose, "
        "output diversity, target faithfulness), has no code, and measures in the latent space of "
        "an autoencoder of its own. Ours are ratios of distances between poses, of which each hand "
        "is taken relative to its wrist and the body relative to its mean place, or a signer's "
        "place in the picture would weigh more than what is signed.",
    ]
    write_file(path, ("\n\n".join(parts) + "\n").encode())
    return path


def _table(figures: Mapping[str, Mapping[str, float]], real: Mapping[str, float]) -> str:
    names = catalogue.known(MEANINGS, figures.values())
    lines = []
    for title, row in figures.items():
        fired = referees.fired(row, real)
        cells = [catalogue.cell(row, name) + f" {FIRES}" * (name in fired) for name in names]
        lines.append([title, *cells])
    return markdown.table(["", *map(catalogue.heading, names)], lines)


def _warning_bounds() -> str:
    """The bounds of the warnings in words, for texts with one take and with several."""
    m = motion
    return (
        "A warning has a bound of its own, in most cases wider than the range that is normal in "
        "the table of figures. For texts with one take or with several: the hands travel less than "
        f"{m.COLLAPSE:g} or more than {m.RESTLESS:g} times as far as the real ones, their jerk is "
        f"above {m.JERKY:g} times the real one, clips last more than {m.LONG:g} times as long or "
        f"as short, or more than {m.HIDDEN:.0%} of the joints are missing. Only for texts with "
        f"several takes: the speed without jitter is below {m.AVERAGED:g} of the real one, "
        f"productions of a text differ less than {m.ONE_MODE:g} times as much as its takes, more "
        f"than {m.MIXED_CLIPS:.0%} of the clips of one-handed texts change hands, or the share of "
        f"left-handed ones is more than {m.OTHER_HAND:.0%} off the real one (more where they are "
        "few)."
    )


def _bounds(name: str) -> str:
    """The normal range of a figure in words."""
    for bounds, unit in (
        (referees.BOUNDS, ""),
        (referees.BESIDE_REAL, " beside a real take's"),
        (referees.BY_REAL, " of a real take's"),
    ):
        if name in bounds:
            low, high = bounds[name]
            if high == float("inf"):
                return f"at least {low:.3g}{unit}"
            least = "at most" if low <= 0 < high != -low else f"{low:.3g} to"
            return f"{least} {high:.3g}{unit}"
    return "any"
