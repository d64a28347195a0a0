"""Saved clips in the hands of others: three.js, the glTF validator, the pose-viewer component."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from real_clips import letters
from running import MODULES, browser, npm
from selenium.webdriver.support.ui import WebDriverWait

from signllm_jax.render.glb import SHOULDER

pytestmark = pytest.mark.slow
PLAY = Path(__file__).parent / "browser" / "play_glb.mjs"
VIEWER = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="module" src="/node_modules/pose-viewer/dist/pose-viewer/pose-viewer.esm.js"></script>
<pose-viewer src="/a.pose" autoplay="false" renderer="svg"></pose-viewer>
<script>document.querySelector("pose-viewer").addEventListener("loadeddata$", () => {
  document.title = "loaded"; });</script>"""


def test_a_glb_is_valid_and_three_js_plays_it(tmp_path):
    for name in ("three", "gltf-validator"):
        npm(name)
    if not (node := shutil.which("node")):
        pytest.skip("needs node")
    clip, frame = letters()[0], 10
    path = clip.save(tmp_path / "a.glb")
    command = [node, str(PLAY), str(MODULES), str(path), str(frame / clip.fps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert [told["issues"][kind] for kind in ("numErrors", "numWarnings", "numHints")] == [0, 0, 0]
    assert told["duration"] == pytest.approx((len(clip) - 1) / clip.fps)
    for joint, name in enumerate(clip.skeleton.joints):
        node = told["places"][name]
        assert (node["size"] > 0) == clip.observed[frame, joint]
        if clip.observed[frame, joint]:
            place = clip.positions[frame, joint] * (1, -1, -1) * SHOULDER
            np.testing.assert_allclose(node["place"], place, atol=1e-4)


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
