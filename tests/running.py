"""A server as a process of its own, and a browser, for the slow tests."""

import contextlib
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
from commands import start

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
