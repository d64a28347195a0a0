"""Which figure sees which fault: docs/referees.md, from faults planted into real takes.

Takes are of the embedded corpus of many signers, so it needs nothing else; about two CPU minutes.
"""

import random
from collections.abc import Collection, Mapping
from pathlib import Path

from signllm_jax.eval.faults import FAULTS
from signllm_jax.poses.clip import PoseClip

TEXTS, LETTERS = 24, (3, 6)
"""Words, and how many letters they have."""
TAKES = 4
"""Real takes of a text; as many by the other signers are what faults are planted into."""
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
    from signllm_jax.corpora import spelled_signers, spelled_texts
    from signllm_jax.corpora.signers import SIGNERS

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
    from signllm_jax.eval import referees, warnings
    from signllm_jax.metrics.motion import COLLAPSE
    from signllm_jax.metrics.variety import places_of, real_variety

    named, references, others = real_takes(texts, letters)
    both = [*references, *others]
    takes = {word: [both[i] for i in own] for word, own in places_of(named * 2).items()}
    real = real_variety(named, references)
    rows = {"real takes": others}
    rows |= {name: FAULTS[name].plant(named, others, takes) for name in faults}
    figures = {name: referees.figures(named, references, row, real) for name, row in rows.items()}
    said = {}
    for name, found in figures.items():
        collapse = found.get("hand_travel_ratio", 1.0) < COLLAPSE
        said[name] = [*warnings.motion(found | {"collapse": collapse})]
    return figures, said


def write(path: Path, texts: int = TEXTS) -> Path:
    """Writes the page, of so many words; returns its path."""
    from signllm_jax.artifacts.group import write_file
    from signllm_jax.core import markdown
    from signllm_jax.metrics import catalogue

    figures, said = judged(texts)
    real = figures["real takes"]
    meanings = [[catalogue.METRICS[n].title, what, _bounds(n)] for n, what in MEANINGS.items()]
    planted = [[name, fault.what] for name, fault in FAULTS.items()]
    warned = [
        [name, ", ".join(map(_title, kinds)) or markdown.MISSING, _seen_by(figures[name], real)]
        for name, kinds in said.items()
    ]
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
    from signllm_jax.core import markdown
    from signllm_jax.eval.referees import fired
    from signllm_jax.metrics import catalogue

    names = [name for name in MEANINGS if any(name in row for row in figures.values())]
    lines = []
    for row, found in figures.items():
        firing = fired(found, real)
        cells = [catalogue.cell(found, n) + f" {FIRES}" * (n in firing) for n in names]
        lines.append([row, *cells])
    return markdown.table(["", *map(catalogue.heading, names)], lines)


def _seen_by(found: Mapping[str, float], real: Mapping[str, float]) -> str:
    """The titles of the figures that say that something is wrong with a row."""
    from signllm_jax.core import markdown
    from signllm_jax.eval.referees import fired
    from signllm_jax.metrics import catalogue

    firing = fired(found, real)
    titles = [catalogue.METRICS[name].title for name in MEANINGS if name in firing]
    return "; ".join(titles) or markdown.MISSING


def _warning_bounds() -> str:
    """In words, where warnings begin, for one take of a text and for several."""
    from signllm_jax.metrics import motion as m

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
    """In words, between which values a figure says nothing."""
    from signllm_jax.eval.referees import BESIDE_REAL, BOUNDS, BY_REAL

    for table, how in (
        (BOUNDS, ""),
        (BESIDE_REAL, " beside a real take's"),
        (BY_REAL, " of a real take's"),
    ):
        if name in table:
            low, high = table[name]
            if high == float("inf"):
                return f"at least {low:.3g}{how}"
            return (
                f"at most {high:.3g}{how}"
                if low <= 0 < high != -low
                else f"{low:.3g} to {high:.3g}{how}"
            )
    return "any"


def _title(kind: str) -> str:
    return kind.replace("_", " ")
