"""Clips for the browser: the JSON for the player, and a self-contained page with the player.

The player is plain JavaScript in `static/` and draws on a canvas; the page of `serve/` has the same
player. Nothing is loaded from elsewhere, so a saved page plays offline.
"""

import base64
import hashlib
import html
import importlib.resources
import json
import re
from typing import Any

import numpy as np

from signllm_jax.core.errors import OutputError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import spelling
from signllm_jax.render.view import drawn_positions, signing_space

STATIC = importlib.resources.files("signllm_jax.render") / "static"
DECIMALS = 4
"""Decimals of positions in shoulder widths: a resolution of about 0.04 mm."""
_MODULES = ("words.js", "figure.js", "player.js")  # each imports only those before it
_START = """
const clip = JSON.parse(document.getElementById("clip").textContent);
const language = pickLanguage(navigator.languages);
document.documentElement.lang = language;
const player = new Player(document.getElementById("player"), WORDS[language]);
player.load(clip);
const notice = document.createElement("p");
notice.textContent = WORDS[language].notice;
document.querySelector("main").append(notice);
"""


def clip_dict(clip: PoseClip) -> dict[str, Any]:
    """The clip as plain values: its fields, its space, and `joints, bones, groups` of its layout.

    Positions [T][J][3] are those of a PoseClip to `DECIMALS` decimals; the layout dwpose128 is
    flat, so its depth is 0.
    """
    return _described(clip) | {
        "positions": np.round(drawn_positions(clip), DECIMALS).tolist(),
        "confidence": np.round(clip.confidence.astype(np.float64), 2).tolist(),
    }


def packed_dict(clip: PoseClip) -> dict[str, Any]:
    """`clip_dict` with its numbers as base64: a quarter of the bytes, in a fraction of the time.

    `positions` are little-endian int16 [T, J, 3], to be multiplied by `scale`; `confidence` is
    uint8 [T, J] of 255ths, at least 1 where a joint is shown. `frames` is T.
    """
    positions = drawn_positions(clip)
    scale = max(10.0**-DECIMALS, float(np.abs(positions).max(initial=0)) / np.iinfo(np.int16).max)
    confidence = np.ceil(np.clip(clip.confidence, 0, 1) * 255)
    return _described(clip) | {
        "frames": len(positions),
        "scale": scale,
        "positions": _base64(np.round(positions / scale).astype("<i2").tobytes()),
        "confidence": _base64(confidence.astype(np.uint8).tobytes()),
    }


def _described(clip: PoseClip) -> dict[str, Any]:
    layout = clip.skeleton
    low, high = (np.round(corner, DECIMALS).tolist() for corner in signing_space([clip]))
    return {
        "layout": clip.layout,
        "space": {"low": low, "high": high},
        "fps": float(clip.fps),
        "joints": list(layout.joints),
        "bones": [list(bone) for bone in layout.bones],
        "groups": {name: list(joints) for name, joints in layout.groups.items()},
        "cues": [dict(vars(cue)) for cue in clip.cues],
        "ended": clip.ended,
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def clip_page(clip: PoseClip, text: str = "") -> str:
    """An HTML page that plays the clip in 3D; it loads nothing and can run only its own script.

    Args:
        clip: Clip to play.
        text: Text above the clip; by default the letters that are spelled.
    """
    text = text or spelling(clip.cues)
    # no text can end the element without "<"
    data = json.dumps(clip_dict(clip), separators=(",", ":")).replace("<", "\\u003c")
    style = _read("player.css") + "main { max-width: 60rem; margin: 0 auto; padding: 1rem; }"
    script = "".join(re.sub(r"(?m)^(import .*|export )", "", _read(name)) for name in _MODULES)
    script += _START
    policy = f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}"
    title = html.escape(text or "signllm_jax")
    head = f"<h1>{html.escape(text)}</h1>" if text else ""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n"
        f'<main>{head}<div id="player"></div></main>\n'
        f'<script type="application/json" id="clip">{data}</script>\n'
        f'<script type="module">{script}</script>\n</html>\n'
    )


def show_clip(clip: PoseClip, text: str = "") -> None:
    """Shows the player in the output of a notebook's cell.

    Args:
        clip: Clip to play.
        text: Text above the clip.

    Raises:
        OutputError: there is no notebook.
    """
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        get_ipython = None
    if get_ipython is None or get_ipython() is None:
        raise OutputError("this is no notebook: save the clip as .html and open it in a browser")
    display(HTML(clip_frame(clip, text)))


def clip_frame(clip: PoseClip, text: str = "") -> str:
    """The player as an inline frame for notebooks; an empty clip becomes a sentence.

    Arguments as of `show_clip`.
    """
    if not len(clip):
        return f"<p>{html.escape(repr(clip))}</p>"
    page = html.escape(clip_page(clip, text), quote=True)
    frame = 'sandbox="allow-scripts" style="width: 100%; border: 0"'
    return f'<div><iframe srcdoc="{page}" height="620" {frame}></iframe></div>'


def _read(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


def _digest(source: str) -> str:
    return f"'sha256-{_base64(hashlib.sha256(source.encode()).digest())}'"
