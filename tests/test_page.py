"""The page that plays a clip by itself, and the player in a notebook."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from real_clips import letters

from signllm_jax.core.errors import OutputError
from signllm_jax.poses.clip import PoseClip
from signllm_jax.render.page import clip_dict, clip_page, packed_dict

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}} ${7*7} & '\""


def held(page):
    """The clip that a page carries."""
    return json.loads(re.search(r'id="clip">(.*?)</script>', page, re.S)[1])


def test_a_page_holds_the_clip_to_a_tenth_of_a_millimetre(tmp_path):
    clip = letters()[0]
    page = clip.save(tmp_path / "a.html", text="ä & b").read_text("utf-8")
    made = held(page)
    np.testing.assert_allclose(made["positions"], clip.positions, atol=5.1e-5)
    np.testing.assert_array_equal(np.array(made["confidence"]) > 0, clip.observed)
    assert made["fps"] == clip.fps and made["joints"] == list(clip.skeleton.joints)
    assert "<h1>ä &amp; b</h1>" in page


def test_a_page_loads_nothing_and_runs_only_its_own_script():
    page = clip_page(letters()[0], HOSTILE)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|src=[\"']", page.replace(HOSTILE, ""))
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page and HOSTILE not in page
    script = re.search(r'<script type="module">(.*?)</script>', page, re.S)[1]
    assert not re.search(r"(?m)^\s*(import|export)\b", script)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy


def test_the_flat_layout_has_no_depth():
    clip = PoseClip(
        np.ones((2, 128, 3), np.float32), np.ones((2, 128), np.float32), 25, "dwpose128"
    )
    assert np.array(clip_dict(clip)["positions"])[..., 2].max() == 0


def test_showing_needs_a_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(OutputError, match=r"save the clip as \.html"):
        letters()[0].show()


def test_outside_of_a_notebook_ipython_alone_does_not_help():
    with pytest.raises(OutputError, match="no notebook"):
        letters()[0].show()


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """IPython as a kernel runs it, with its history and settings in a folder of their own."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(history_length=0)
    shell.history_manager.enabled = False
    yield shell
    InteractiveShell.clear_instance()


def test_a_notebook_gets_a_frame_that_cannot_reach_out(notebook):
    from IPython.utils.capture import capture_output

    clip = letters()[0]
    with capture_output() as shown:
        clip.show(HOSTILE)
    (output,) = shown.outputs
    frame = output.data["text/html"]
    inner = re.fullmatch(r'<div><iframe srcdoc="([^"]*)" height="620" (.*)></iframe></div>', frame)
    assert html.unescape(inner[1]) == clip_page(clip, HOSTILE)
    assert 'sandbox="allow-scripts"' in inner[2]


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
def test_the_page_of_the_server_unpacks_what_the_server_packs():
    script = Path(__file__).parents[1] / "signllm_jax/serve/static/page.js"
    function = re.search(r"(?s)function unpacked.*?\n}\n", script.read_text("utf-8"))[0]
    clip = letters()[0]
    program = f"{function} console.log(JSON.stringify(unpacked({json.dumps(packed_dict(clip))})))"
    run = subprocess.run(["node", "-"], input=program, text=True, check=True, capture_output=True)
    said = json.loads(run.stdout)
    np.testing.assert_allclose(said["positions"], clip.positions, atol=1e-4)
    np.testing.assert_allclose(said["confidence"], clip.confidence, atol=1 / 255)
    np.testing.assert_array_equal(np.array(said["confidence"]) > 0, clip.observed)
