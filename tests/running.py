"""A server as a process of its own, and a browser, for the slow tests."""

import contextlib
import functools
import http.server
import os
import re
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from commands import ROOT, start

MODULES = Path(sys.prefix) / "browser" / "node_modules"


def npm(name: str) -> Path:
    """The folder of a package of tests/browser/package.json; skips where it is not installed."""
    if not (MODULES / name).is_dir():
        pytest.skip(f"{name} is not installed: make browser-installed")
    return MODULES / name


class Server:
    """`launch/serve.py` on a free port; it is ended with SIGTERM."""

    def __init__(self, folder: Path, workdir: Path, *flags: str, env: dict | None = None):
        args = [f"--workdir={workdir}", "--port=0", *flags]
        self.command = start(folder, "serve", args, env=env)
        out = self.command.out
        try:
            self.command.wait_for(lambda: out.exists() and "http://" in out.read_text(), 120)
        except BaseException:
            self.command.process.kill()  # or the tests would wait for it at their end
            raise
        self.url = re.search(r"http://\S+", out.read_text())[0]
        self.pid = self.command.process.pid

    def terminate(self) -> int:
        """Sends SIGTERM and waits for the exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        return self.command.end(60)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder: Path):
    """The address of a server of a folder's files."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def figures(folder: Path, glb: Path, seconds: list[float]):
    """A page on which three.js has drawn a `.glb` at these moments; skips where it cannot."""
    from selenium.webdriver.support.ui import WebDriverWait

    npm("three")
    (folder / "node_modules").symlink_to(MODULES)
    shutil.copy(ROOT / "tests" / "browser" / "figure.html", folder)
    shutil.copy(glb, folder / "figure.glb")
    moments = ",".join(str(moment) for moment in seconds)
    with (
        served(folder) as url,
        browser(folder, width=320 * len(seconds), height=680) as page,
    ):
        page.get(f"{url}/figure.html?file=figure.glb&seconds={moments}")
        WebDriverWait(page, 60, 0.05).until(lambda _: page.title == "drawn")
        yield page


@contextlib.contextmanager
def browser(folder: Path, width=1100, height=1000, dark=False, mobile=False):
    """Chromium without a window, which saves downloads to `folder`; skips where there is none."""
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "hide-scrollbars",
        "lang=en-US",
    ):
        options.add_argument(f"--{flag}")
    page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield page
    finally:
        page.quit()
