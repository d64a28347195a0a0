"""Saved clips in the hands of others: three.js, the glTF validator, the pose-viewer component."""

import io
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_clips import letters
from rigged import meters
from running import MODULES, browser, figures, npm, served
from selenium.webdriver.support.ui import WebDriverWait

from signllm_jax.render.figure import COLOURS

pytestmark = pytest.mark.slow
PLAY = Path(__file__).parent / "browser" / "play_glb.mjs"
VIEWER = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="module" src="/node_modules/pose-viewer/dist/pose-viewer/pose-viewer.esm.js"></script>
<pose-viewer src="/a.pose" autoplay="false" renderer="svg"></pose-viewer>
<script>document.querySelector("pose-viewer").addEventListener("loadeddata$", () => {
  document.title = "loaded"; });</script>"""


def test_a_glb_is_valid_and_three_js_plays_and_retargets_it(tmp_path):
    for name in ("three", "gltf-validator"):
        npm(name)
    if not (node := shutil.which("node")):
        pytest.skip("needs node")
    clip, frame = letters()[0], 10
    path = clip.save(tmp_path / "a.glb")
    command = [node, str(PLAY), str(MODULES), str(path), str(frame / clip.fps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    kinds = ("numErrors", "numWarnings", "numInfos", "numHints")
    assert [told["issues"][kind] for kind in kinds] == [0, 0, 0, 0]
    assert told["duration"] == pytest.approx((len(clip) - 1) / clip.fps)
    skin = {"#" + mesh["color"]: np.array(mesh["points"]) for mesh in told["meshes"]}
    for number, finger in enumerate(("thumb", "index", "middle", "ring", "little")):
        tip = meters(clip, f"right_{finger}_4")[frame]
        points = skin[COLOURS[f"right_hand_{number}"]]
        assert np.linalg.norm(points - tip, axis=1).min() < 0.03  # meters: it is bent as the clip's
    own, other = told["places"], told["other"]
    for a, b in itertools.pairwise(("RightArm", "RightForeArm", "RightHand", "RightHandIndex1")):
        bone, longer = (
            np.subtract(places[prefix + b]["place"], places[prefix + a]["place"])
            for places, prefix in ((own, ""), (other, "mixamorig"))
        )
        np.testing.assert_allclose(longer, 1.2 * bone, atol=1e-3)  # longer, and turned the same


def test_a_browser_draws_the_hand_where_the_clip_has_it(tmp_path):
    clip, frame = letters()[0], 10
    glb = clip.save(tmp_path / "a.glb")
    (tmp_path / "page").mkdir()
    with figures(tmp_path / "page", glb, [frame / clip.fps]) as page:
        drawn = np.asarray(Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB"), int)
        for finger in ("thumb", "index", "middle", "ring", "little"):
            tip = meters(clip, f"right_{finger}_3")[frame].tolist()
            x, y = page.execute_script("return window.seen(arguments[0])", tip)
            red, _, blue = drawn[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4].T
            assert (red > 1.3 * blue + 20).any(), finger  # orange, as in pictures
        assert (drawn[:20] == 255).all()  # nothing above the head
        assert [e for e in page.get_log("browser") if e["level"] == "SEVERE"] == []


def test_the_pose_viewer_component_shows_a_pose_file(tmp_path):
    npm("pose-viewer")
    clip = letters()[0]
    clip.save(tmp_path / "a.pose")
    (tmp_path / "index.html").write_text(VIEWER)
    (tmp_path / "node_modules").symlink_to(MODULES)
    with served(tmp_path) as url, browser(tmp_path) as page:
        page.get(f"{url}/index.html")
        wait = WebDriverWait(page, 20, 0.05)
        wait.until(lambda _: page.title == "loaded")
        drawn = "return document.querySelector('pose-viewer').shadowRoot.innerHTML"
        wait.until(lambda _: page.execute_script(drawn).count("<circle") > 20)
        seconds = "return document.querySelector('pose-viewer').duration"
        assert page.execute_script(seconds) == pytest.approx(len(clip) / clip.fps, abs=0.1)
