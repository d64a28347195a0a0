"""The page in a real browser."""

import time

import imageio_ffmpeg
import numpy as np
import pytest
from real_clips import letters
from running import Server, browser, npm
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from tiny_run import tiny_config, write_run

from signllm_jax.poses.files import read_clip

pytestmark = pytest.mark.slow
FIRST_FRAME = (
    "return performance.getEntriesByName('shown').at(-1).startTime"
    " - performance.getEntriesByName('asked').at(-1).startTime"
)
SHOWN = "return performance.getEntriesByName('shown').length"
PICTURE = "return document.querySelector('canvas.figure').toDataURL()"
SHAPES = {
    "desktop": {},
    "phone": {"width": 390, "height": 840, "mobile": True},
    "dark": {"dark": True},
}


@pytest.fixture(scope="module")
def server(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    config = tiny_config(data_dir, ("asl", "tsl"), **{"eval.max_frames": 64})
    server = Server(folder, write_run(folder / "run", config).path)
    yield server
    assert server.terminate() == 0


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def page(downloads):
    with browser(downloads) as page:
        yield page


def wait(page, condition):
    """A part that the page replaces in between is asked for again."""
    again = (NoSuchElementException, StaleElementReferenceException)
    return WebDriverWait(page, 20, 0.02, ignored_exceptions=again).until(lambda _: condition())


def ask(page, url, text="abc"):
    """Opens the page, types a text and waits for its clip."""
    page.get("about:blank")
    page.get(url)
    wait(page, lambda: page.find_element(By.TAG_NAME, "body").get_dom_attribute("data-ready") == "")
    before = page.execute_script(SHOWN)
    page.find_element(By.ID, "text").send_keys(text + Keys.ENTER)
    wait(page, lambda: page.execute_script(SHOWN) > before)
    return page.find_element(By.ID, "player")


def first_link(page) -> str:
    """Address of the first download, in one script: the page may replace its links in between."""
    return page.execute_script("return document.querySelector('#downloads a')?.href ?? ''")


def frame(player):
    return int(player.get_dom_attribute("data-frame"))


def no_faults(page):
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_typed_word_is_played_turned_and_scrubbed(page, server):
    times = []
    for word in ("cab", "bac", "abc"):
        player = ask(page, server.url, word)
        times.append(page.execute_script(FIRST_FRAME))
    assert min(times) < 500  # a busy machine may hold up one of them
    assert player.get_dom_attribute("data-state") == "playing"
    start = frame(player)
    wait(page, lambda: frame(player) != start)
    player.find_element(By.CSS_SELECTOR, "button.play").click()
    assert player.get_dom_attribute("data-state") == "paused"

    front = page.execute_script(PICTURE)
    figure = player.find_element(By.CSS_SELECTOR, "canvas.figure")
    ActionChains(page).drag_and_drop_by_offset(figure, 120, 0).perform()
    assert page.execute_script(PICTURE) != front
    turn = player.find_element(By.CSS_SELECTOR, "input.turn")
    assert turn.get_property("value") == "60"
    player.find_element(By.CSS_SELECTOR, "[data-turn='0']").click()
    assert page.execute_script(PICTURE) == front

    scrub = player.find_element(By.CSS_SELECTOR, "input.scrub")
    scrub.send_keys(Keys.HOME)
    assert frame(player) == 0
    scrub.send_keys(Keys.ARROW_RIGHT * 3)
    assert frame(player) == 3 and page.execute_script(PICTURE) != front
    assert scrub.get_dom_attribute("aria-valuetext").startswith("0.1 / ")
    no_faults(page)


def test_another_signer_is_offered_where_a_text_has_several_clips(page, server, data_dir, tmp_path):
    ask(page, server.url)
    assert not page.find_element(By.ID, "another").is_displayed()
    config = tiny_config(data_dir, ("asl",), **{"eval.max_frames": 64, "model.latent": 4})
    drawing = Server(tmp_path, write_run(tmp_path / "run", config).path)
    try:
        ask(page, drawing.url)
        for seed in (1, 2):
            page.find_element(By.ID, "another").click()
            wait(page, lambda s=seed: page.current_url.endswith(f"typed=abc&language=asl&seed={s}"))
            wait(page, lambda s=seed: f"&seed={s}&" in first_link(page))
        page.find_element(By.ID, "submit").click()
        wait(page, lambda: "seed" not in page.current_url)
        no_faults(page)
    finally:
        assert drawing.terminate() == 0


def test_slow_motion_is_slower_and_a_clip_that_is_not_repeated_ends(page, server):
    player = ask(page, server.url)
    frames = int(player.get_dom_attribute("data-frames"))
    player.find_element(By.CSS_SELECTOR, "input.loop").click()
    seconds = {}
    for speed in ("1", "0.25"):
        Select(player.find_element(By.CSS_SELECTOR, "select.speed")).select_by_value(speed)
        if player.get_dom_attribute("data-state") == "playing":
            player.find_element(By.CSS_SELECTOR, "button.play").click()
        scrub = player.find_element(By.CSS_SELECTOR, "input.scrub")
        scrub.send_keys(Keys.END + Keys.ARROW_LEFT * 10)
        begin = time.monotonic()
        player.find_element(By.CSS_SELECTOR, "button.play").click()
        wait(page, lambda: player.get_dom_attribute("data-state") == "paused")
        seconds[speed] = time.monotonic() - begin
        assert frame(player) == frames - 1
    assert seconds["1"] > 0.35 and seconds["0.25"] > 1.5  # 10 frames of 25 a second


def test_everything_can_be_done_with_the_keyboard(page, server):
    page.get("about:blank")
    page.get(server.url)
    wait(page, lambda: page.find_element(By.TAG_NAME, "body").get_dom_attribute("data-ready") == "")
    keys = ActionChains(page)
    for key in (Keys.TAB, Keys.TAB, "abc", Keys.TAB, Keys.TAB, Keys.ENTER):
        keys.send_keys(key)
    keys.perform()  # language of the page, text, sign language, button
    wait(page, lambda: page.find_element(By.ID, "heading").text.startswith("a-b-c"))
    ActionChains(page).send_keys(Keys.TAB, Keys.SPACE).perform()
    player = page.find_element(By.ID, "player")
    assert player.get_dom_attribute("data-state") == "paused"
    ActionChains(page).send_keys(Keys.TAB, Keys.HOME, Keys.ARROW_RIGHT).perform()
    assert frame(player) == 1


def test_pose_and_mp4_can_be_downloaded(page, server, downloads):
    ask(page, server.url, "cab")
    frames = int(page.find_element(By.ID, "player").get_dom_attribute("data-frames"))
    for form in ("pose", "mp4"):
        page.find_element(By.LINK_TEXT, f".{form}").click()
        wait(page, lambda form=form: (downloads / f"cab.{form}").exists())
    assert len(read_clip(downloads / "cab.pose", fps=1)) == frames
    assert imageio_ffmpeg.count_frames_and_secs(str(downloads / "cab.mp4"))[0] == frames


def test_a_link_asks_again_and_its_text_is_only_text(page, server):
    ask(page, server.url, "cab")
    link = page.current_url
    assert link.endswith("#typed=cab&language=asl")
    page.get("about:blank")
    page.get(link)
    wait(page, lambda: page.find_element(By.ID, "result").is_displayed())
    heading = page.find_element(By.ID, "heading")
    assert heading.text == "c-a-b, fingerspelled in the ASL alphabet"
    page.get("about:blank")
    page.get(f"{server.url}/#text=%3Cimg%3E&language=asl")
    wait(page, lambda: "i-m-g" in page.find_element(By.ID, "heading").text)
    assert "left out: < >" in page.find_element(By.ID, "status").text
    assert page.find_elements(By.CSS_SELECTOR, "img") == []


def test_a_question_is_understood_and_a_refusal_is_said(page, server):
    page.get("about:blank")
    page.get(server.url)
    wait(page, lambda: page.find_element(By.TAG_NAME, "body").get_dom_attribute("data-ready") == "")
    assert page.find_element(By.ID, "heading").text.startswith("h-e-l-l-o, ")  # it has opened with
    text = page.find_element(By.ID, "text")
    text.send_keys("What is the sign for abc in Turkish Sign Language?" + Keys.ENTER)
    heading = page.find_element(By.ID, "heading")
    wait(page, lambda: heading.text == "a-b-c, fingerspelled in the TİD alphabet")
    text.clear()
    text.send_keys("room 12" + Keys.ENTER)
    wait(page, lambda: page.find_element(By.ID, "problem").text.startswith("Numbers are not"))
    assert not page.find_element(By.ID, "result").is_displayed()
    page.find_element(By.ID, "instead").click()
    wait(page, lambda: heading.text.startswith("r-o-o-m, "))
    assert not page.find_element(By.ID, "problem").text


@pytest.mark.parametrize("width, height", [(1366, 768), (390, 844)])
def test_stage_and_controls_are_seen_without_scrolling_and_a_letter_is_lit(
    width, height, server, downloads
):
    with browser(downloads, width=width, height=height) as page:
        player = ask(page, server.url)
        for part in ("canvas.figure", "button.play", "input.scrub"):
            place = player.find_element(By.CSS_SELECTOR, part).rect
            assert place["y"] + place["height"] <= page.execute_script("return innerHeight"), part
        player.find_element(By.CSS_SELECTOR, "button.play").click()
        scrub = player.find_element(By.CSS_SELECTOR, "input.scrub")
        for key, letter in ((Keys.HOME, "a"), (Keys.END, "c")):
            scrub.send_keys(key)
            assert player.find_element(By.CSS_SELECTOR, ".letters .lit").text == letter


def test_a_request_can_be_tried_out(page, server):
    page.get(server.url + "/docs")
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#schemas section"))
    for form in page.find_elements(By.CSS_SELECTOR, "form.trial"):
        form.find_element(By.TAG_NAME, "button").click()
        answer = form.find_element(By.TAG_NAME, "pre")
        wait(page, lambda answer=answer: answer.text)
        assert answer.text.startswith("200 application/"), answer.text


def test_the_page_speaks_eight_languages(page, server):
    ask(page, server.url)
    titles = set()
    choice = Select(page.find_element(By.ID, "page-language"))
    for code in ("en", "de", "de-CH", "fr", "it", "es", "ko", "tr"):
        choice.select_by_value(code)
        assert page.execute_script("return document.documentElement.lang") == code
        said = page.execute_script(
            "return [...document.querySelectorAll('[data-word]')].map(part => part.textContent)"
        )
        assert len(said) > 15 and all(said)
        assert "undefined" not in page.find_element(By.TAG_NAME, "body").text
        titles.add(page.title)
    assert len(titles) == 7  # Swiss German has the German one
    choice.select_by_value("en")


@pytest.mark.parametrize("shape", SHAPES)
def test_axe_finds_no_serious_fault_and_nothing_is_cut_off(shape, server, downloads):
    axe = (npm("axe-core") / "axe.min.js").read_text("utf-8")
    with browser(downloads, **SHAPES[shape]) as page:
        ask(page, server.url)
        for language in page.find_elements(By.CSS_SELECTOR, "#page-language option"):
            language.click()
            assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        for path in ("", "/docs"):
            if path:
                page.get(server.url + path)
                wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#schemas section"))
            page.execute_script(axe)
            found = page.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
            faults = [
                (fault["id"], [node["html"] for node in fault["nodes"]])
                for fault in found["violations"]
                if fault["impact"] in ("serious", "critical")
            ]
            assert faults == [] and len(found["passes"]) > 15
        no_faults(page)


def test_less_motion_is_heeded(server, downloads):
    with browser(downloads) as page:
        calm = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", calm)
        assert ask(page, server.url).get_dom_attribute("data-state") == "paused"


def test_a_saved_page_plays_without_a_server(page, tmp_path):
    clip = letters()[0]
    clip.save(tmp_path / "a.html", text="a < b")
    page.get_log("browser")  # of earlier pages
    page.get((tmp_path / "a.html").as_uri())
    player = page.find_element(By.ID, "player")
    wait(page, lambda: frame(player) > 3)
    assert page.find_element(By.TAG_NAME, "h1").text == "a < b"
    assert "A computer made this" in page.find_element(By.TAG_NAME, "main").text
    drawn = page.execute_script(
        "const c = document.querySelector('canvas.figure');"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    pixels = np.array(drawn, np.uint8).reshape(-1, 4)
    orange = (pixels[:, 0].astype(int) - pixels[:, 2] > 90) & (pixels[:, 3] > 200)
    assert orange.sum() > 300  # the right hand
    no_faults(page)
