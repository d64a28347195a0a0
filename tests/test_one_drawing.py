"""The page and the files draw one figure: `static/figure.js` in a browser beside `figure.py`."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from real_clips import letters
from running import browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from signllm_jax.render.figure import CARD, draw_frame
from signllm_jax.render.view import hand_view, signing_view

pytestmark = pytest.mark.slow
PICTURE = "return document.querySelector('canvas.' + arguments[0]).toDataURL().split(',')[1]"
HAND, FRAME = "right_hand", 12


def seen(page, name):
    """RGB [H, W, 3] of a canvas on the card's colour."""
    picture = Image.open(io.BytesIO(base64.b64decode(page.execute_script(PICTURE, name))))
    card = Image.new("RGBA", picture.size, CARD)
    card.alpha_composite(picture.convert("RGBA"))
    return np.asarray(card)[..., :3].astype(int)


@pytest.fixture
def page(tmp_path):
    with browser(tmp_path) as page:
        yield page


def test_the_page_draws_the_figure_of_the_files(page, tmp_path):
    clip = letters()[0]
    clip.save(tmp_path / "a.html")
    page.get((tmp_path / "a.html").as_uri())
    player = page.find_element(By.ID, "player")
    WebDriverWait(page, 20).until(lambda _: player.get_dom_attribute("data-state") == "playing")
    player.find_element(By.CSS_SELECTOR, "button.play").click()
    scrub = player.find_element(By.CSS_SELECTOR, "input.scrub")
    scrub.send_keys(Keys.HOME + Keys.ARROW_RIGHT * FRAME)
    for turn, name in ((0, "figure"), (90, "figure"), (90, "hand")):
        player.find_element(By.CSS_SELECTOR, f"[data-turn='{turn}']").click()
        shown = seen(page, name)
        size = shown.shape[1::-1]
        if name == "hand":
            made = draw_frame(clip, FRAME, hand_view(clip, HAND, FRAME), size, HAND)
        else:
            view = signing_view([clip], turn == 90, size[0] / size[1])
            made = draw_frame(clip, FRAME, view, size)
        made = np.asarray(made).astype(int)
        off = np.abs(shown - made).max(-1)
        drawn = (np.abs(made - made[0, 0]).max(-1) > 60).mean()
        assert drawn > 0.01
        # what is left are edges: Pillow rounds widths, and both smooth edges in their own way
        assert (off > 60).mean() < drawn / 8 and off.mean() < 25 * drawn, (turn, name)
