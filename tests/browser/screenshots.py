"""Pictures of the page and of a `.glb` for docs/, and how long a word takes to its first frame.

python tests/browser/screenshots.py WORKDIR FOLDER
"""

import io
import os
import statistics
import sys
import tempfile
from pathlib import Path

from PIL import Image

from signllm_jax.eval import provenance, results

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SHAPES = {
    "desktop": {"width": 1366, "height": 768},
    "phone": {"width": 390, "height": 844, "mobile": True},
    "dark": {"width": 1366, "height": 768, "dark": True},
}
WORDS = ("tree", "house", "river", "green", "happy", "friend", "winter", "summer", "garden")
READY = "return 'ready' in document.body.dataset"


def draw_figure(workdir: str, path: Path) -> None:
    """Writes a picture of a `.glb`: a TSL word with both hands, from two sides."""
    from running import figures

    from signllm_jax import SignLLM

    scratch = Path(tempfile.mkdtemp())
    clip = SignLLM.load(workdir).produce("ağız", "tsl")
    moments = [round(clip.seconds * part, 2) for part in (0.1, 0.36, 0.62, 0.9)]
    glb = clip.save(scratch / "word.glb")
    (scratch / "page").mkdir()
    with figures(scratch / "page", glb, moments) as page:
        picture = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
    picture.quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


def main(workdir: str, folder: str) -> None:
    """Writes page-<shape>.png, glb.png, and the times into serve.md."""
    from running import Server, browser
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
    from test_browser import FIRST_FRAME

    draw_figure(workdir, Path(folder) / "glb.png")
    scratch = Path(tempfile.mkdtemp())
    server = Server(scratch, Path(workdir))
    try:
        for shape, size in SHAPES.items():
            with browser(scratch, **size) as page:
                page.get(server.url)
                WebDriverWait(page, 20, 0.02).until(lambda p: p.execute_script(READY))
                times = []
                for word in (*WORDS, "hello"):
                    text = page.find_element(By.ID, "text")
                    text.clear()
                    text.send_keys(word + Keys.ENTER)
                    WebDriverWait(page, 20, 0.02).until(
                        lambda p, word=word: p.find_element(By.ID, "heading").text.startswith(
                            "-".join(word)
                        )
                    )
                    times.append(page.execute_script(FIRST_FRAME))
                page.find_element(By.CSS_SELECTOR, "button.play").click()
                scrub = page.find_element(By.CSS_SELECTOR, "input.scrub")
                scrub.send_keys(Keys.HOME + Keys.ARROW_RIGHT * 42)
                page.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
                picture = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
                small = picture.quantize(64, dither=Image.Dither.NONE)
                small.save(Path(folder) / f"page-{shape}.png", optimize=True)
                if shape == "desktop":  # the answers are kept afterwards
                    said = (
                        f"From Enter to the first drawn frame: a median of "
                        f"{statistics.median(times):.0f} ms and at most {max(times):.0f} ms over "
                        f"{len(times)} words not asked for before; {described()}."
                    )
    finally:
        server.terminate()
    results.write_readme(str(Path(folder) / "serve.md"), said)
    print(said)


def described() -> str:
    """The machine, and how busy it was."""
    machine = provenance.hardware()
    return f"{machine['cores']} cores of {machine['cpu']}, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
