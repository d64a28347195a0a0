"""Saved clips in the hands of others: three.js, the glTF validator, the pose-viewer component."""

import functools
import http.server
import itertools
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from real_clips import letters
from rigged import meters
from running import MODULES, browser, npm
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


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_the_pose_viewer_component_shows_a_pose_file(tmp_path):
    npm("pose-viewer")
    clip = letters()[0]
    clip.save(tmp_path / "a.pose")
    (tmp_path / "index.html").write_text(VIEWER)
    (tmp_path / "node_modules").symlink_to(MODULES)
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with browser(tmp_path) as page:
                page.get(f"http://127.0.0.1:{server.server_port}/index.html")
                wait = WebDriverWait(page, 20, 0.05)
                wait.until(lambda _: page.title == "loaded")
                drawn = "return document.querySelector('pose-viewer').shadowRoot.innerHTML"
                wait.until(lambda _: page.execute_script(drawn).count("<circle") > 20)
                seconds = "return document.querySelector('pose-viewer').duration"
                assert page.execute_script(seconds) == pytest.approx(len(clip) / clip.fps, abs=0.1)
        finally:
            server.shutdown()
