"""The report of someone's own images in a real browser, from disk: `make browser`.

Plain pytest does not collect this file: it needs Chromium.
"""

import csv
import io
import shutil
from pathlib import Path

import pytest
from chromium import IN_SHADOW, keep_picture, sync_api
from own_report import EVIL, NAMES, drawn, made_up_content, write

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CONTENT = made_up_content(300)
# What the map shows at the pointer: the name, and whether the thumbnail is there.
HINT = IN_SHADOW.replace(
    ".filter(e => e.getBoundingClientRect().width > 50).length",
    ".map(e => ({name: e.innerText, loaded: e.querySelector('img').naturalWidth > 0}))[0]",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    content = drawn(CONTENT, tmp_path_factory.mktemp("images"))
    return write(content, tmp_path_factory.mktemp("a report #1"))


@pytest.fixture
def opened(browser, written):
    """Open the report with nothing done yet; at the end, nothing may have gone wrong."""
    contexts, wrong, asked = [], [], []

    def opened(width=1400, height=1000, scheme="light"):
        size = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(written.as_uri())
        page.locator("body[data-ready]").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file://", "data:", "blob:"))] == []


def cluster(page, c):
    """Bring a cluster's section into view, which fills it."""
    page.locator("#jump").select_option(str(c))
    page.get_by_role("button", name="Go").click()
    section = page.locator(f"section[aria-labelledby='cluster-{c}']")
    section.locator(".tile").first.wait_for()
    return section


def exported(page, accepted_only=False):
    page.locator("#accepted-only").set_checked(accepted_only)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    text = Path(download.value.path()).read_bytes().decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows[0] == ["path", "label"]
    return dict(rows[1:])


def said(page, text):
    sync_api.expect(page.get_by_role("status")).to_contain_text(text)


def original(c, view=0):
    return {i for i, found in enumerate(CONTENT.views[view].clusters) if found == c}


def test_it_shows_rank_map_and_sheets(opened):
    page = opened()
    keep_picture(page, "report")
    overview = page.locator("#ranking tbody tr")
    assert overview.count() == 4
    assert "55 %" in overview.nth(0).inner_text() and "40 to 70 %" in overview.nth(0).inner_text()
    assert "HDBSCAN left too much out" in overview.nth(1).inner_text()
    assert "61.2 %" in overview.nth(0).inner_text() and "50.5 %" in overview.nth(0).inner_text()
    assert page.evaluate(IN_SHADOW, "canvas") >= 1
    section = cluster(page, 2)
    members = sorted(original(2), key=lambda i: CONTENT.views[0].to_medoid[i])
    shown = section.locator(".tile").evaluate_all("all => all.map(e => Number(e.dataset.image))")
    assert shown == members, "the medoid first, outliers last"
    assert "50 images" in section.inner_text() and "most often ox (100 %)" in section.inner_text()
    picture = section.locator("img").first
    picture.scroll_into_view_if_needed()
    page.wait_for_function("e => e.naturalWidth > 0", arg=picture.element_handle())


def test_names_are_text(opened):
    page = opened()
    assert page.title() == f"Clusters of /somewhere/{EVIL}"
    assert page.locator("main script, img[src=x]").count() == 0
    page.get_by_label("Search names").fill("</SCRIPT>")
    tile = page.locator("#found .tile")
    sync_api.expect(tile).to_have_count(1)
    tile.click()
    assert page.locator("#panel-name").inner_text() == EVIL


def test_another_clustering_has_other_sheets_and_another_map(opened):
    page = opened()
    sync_api.expect(page.locator("#clusters-head")).to_have_text("6 clusters")
    assert page.locator("#outside").is_hidden()
    page.get_by_role("combobox", name="Clustering", exact=True).select_option(index=3)
    sync_api.expect(page.locator("#clusters-head")).to_have_text("4 clusters")
    page.locator("#outside").scroll_into_view_if_needed()
    sync_api.expect(page.locator("#outside .tile")).to_have_count(20)
    assert "20 images" in page.locator("#outside").inner_text()
    section = cluster(page, 3)
    assert section.get_by_role("button", name="Show more of").count() == 1
    assert section.locator(".tile").count() == 52
    section.get_by_role("button", name="Show more of").click()
    sync_api.expect(section.locator(".tile")).to_have_count(len(original(3, 3)))
    page.wait_for_function(f"({IN_SHADOW})('canvas') >= 1")
    page.get_by_role("button", name="Show Alpha, K-means").click()
    sync_api.expect(page.locator("#clusters-head")).to_have_text("6 clusters")


def test_a_click_shows_the_image_its_neighbours_and_where_it_nearly_was(opened):
    page = opened()
    section = cluster(page, 1)
    section.locator("[data-image='43']").click()
    panel = page.locator("#panel")
    assert panel.locator("#panel-name").inner_text() == CONTENT.names[43]
    near = panel.locator(".sheet").first.locator(".tile")
    numbers = near.evaluate_all("all => all.map(e => Number(e.dataset.image))")
    assert numbers == CONTENT.spaces["alpha"].neighbors[43].tolist()
    assert panel.locator(".sheet").last.locator(".tile").get_attribute("data-image") == "2"
    assert f"{CONTENT.views[0].silhouettes[43]:.2f}" in panel.inner_text()
    assert "Cluster 2" in panel.inner_text()
    address = panel.get_by_role("link", name="Open the file").get_attribute("href")
    assert address.startswith("file:///") and address.endswith("/43.png")
    said(page, CONTENT.names[43])
    near.first.click()
    assert panel.locator("#panel-name").inner_text() == CONTENT.names[49]
    panel.get_by_role("button", name="Close").click()
    assert panel.is_hidden()


def test_the_map_shows_thumbnails_and_selects(opened):
    page = opened(height=1400)
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    for x in range(30, int(box["width"]) - 60, 16):
        for y in range(30, int(box["height"]) - 30, 40):
            page.mouse.move(box["x"] + x, box["y"] + y)
            if page.evaluate(IN_SHADOW, ".hint img"):
                keep_picture(page, "report_map")
                pointed = page.evaluate(HINT, ".hint")
                assert pointed["loaded"], "the thumbnail is there"
                page.mouse.click(box["x"] + x, box["y"] + y)
                page.locator("#panel-name").wait_for()
                selected = " ".join(page.locator("#panel-name").inner_text().split())
                assert selected == " ".join(pointed["name"].split())
                return
    pytest.fail("no image was found on the map")


def test_what_is_done_by_hand_is_exported_and_undone(opened):
    page = opened()
    section = cluster(page, 1)
    section.locator("[data-image='43']").click()
    page.locator("#panel").get_by_label("Move to").select_option("4")
    page.locator("#panel").get_by_role("button", name="Move").click()
    said(page, "1 image moved to 4")
    assert "49 images" in section.inner_text()

    for i in (61, 67):
        section.locator(f"[data-image='{i}']").click(modifiers=["Control"])
    shown = section.locator(".tile")
    numbers = [int(tile.get_attribute("data-image")) for tile in shown.all()]
    place = numbers.index(67)
    shown.nth(place - 2).click(modifiers=["Shift"])
    for i in {numbers[place - 2], numbers[place - 1]} - {61}:
        assert section.locator(f".marked[data-image='{i}']").count() == 1
        section.locator(f"[data-image='{i}']").click(modifiers=["Control"])
    marks = page.get_by_role("region", name="Marked images")
    assert "2 images marked" in marks.inner_text()
    marks.get_by_role("combobox").select_option(label="left out")
    marks.get_by_role("button", name="Move").click()
    assert marks.is_hidden()

    section.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("3")
    dialog.get_by_role("button", name="Rename").click()
    assert dialog.is_visible(), "another cluster is called 3"
    dialog.get_by_label("Name").fill('big "cats", <b>')
    dialog.get_by_role("button", name="Rename").click()
    assert section.locator("h3").inner_text().startswith('big "cats", <b>')
    section.get_by_role("button", name="Accept").click()
    assert section.get_by_role("button", name="Accept").get_attribute("aria-pressed") == "true"

    other = cluster(page, 0)
    other.get_by_role("button", name="Merge").click()
    assert page.get_by_role("dialog").get_by_label("Into").input_value() == "1", "the nearest"
    page.get_by_role("dialog").get_by_label("Into").select_option("5")
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    assert other.count() == 0
    keep_picture(page, "report_edited")

    cats = original(1) - {43, 61, 67}
    wanted = {i: "5" if c == 0 else str(c) for i, c in enumerate(CONTENT.views[0].clusters)}
    wanted |= {43: "4", 61: "", 67: ""} | dict.fromkeys(cats, 'big "cats", <b>')
    # A half character cannot be written in UTF-8; printable names have none.
    names = [name.replace("\udce9", "\ufffd") for name in CONTENT.names]
    assert exported(page) == {names[i]: label for i, label in wanted.items()}
    assert set(exported(page, accepted_only=True)) == {names[i] for i in cats}
    assert set(NAMES) - {"half\udce9.jpg"} <= set(exported(page))

    page.reload()
    page.locator("body[data-ready]").wait_for()
    edited = {names[i]: label for i, label in wanted.items()}
    assert exported(page) == edited, "it is there when the page is opened again"
    for _ in range(5):
        page.get_by_role("button", name="Undo").click()
    assert page.get_by_role("button", name="Undo").is_disabled()
    unchanged = {names[i]: str(c) for i, c in enumerate(CONTENT.views[0].clusters)}
    assert exported(page) == unchanged


def test_clusters_and_classes_are_counted(opened):
    page = opened()
    rows = page.locator("#confusion tbody tr")
    assert rows.count() == 6
    assert "All clusters and classes: 250 of 250 images with a label." in (
        page.locator("#confusion").inner_text()
    )
    page.get_by_role("combobox", name="Clustering", exact=True).select_option(index=1)
    sync_api.expect(rows).to_have_count(4)
    assert "owl" in page.locator("#confusion thead").inner_text()


def test_search_finds_by_parts_of_names(opened):
    page = opened()
    field = page.get_by_label("Search names")
    field.fill("img_028")
    sync_api.expect(page.locator("#found .tile")).to_have_count(10)
    said(page, "10 images")
    field.fill("e\u0301.JPG")
    sync_api.expect(page.locator("#found .tile")).to_have_count(1)
    field.fill("")
    sync_api.expect(page.locator("#found")).to_be_hidden()


def test_everything_goes_by_keyboard(opened):
    page = opened()
    section = cluster(page, 1)
    first, second = (section.locator(".tile").nth(i) for i in range(2))
    first.focus()
    page.keyboard.press("ArrowRight")
    sync_api.expect(second).to_be_focused()
    assert second.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("ArrowDown")
    columns = section.locator(".sheet").evaluate(
        "e => getComputedStyle(e).gridTemplateColumns.split(' ').length"
    )
    sync_api.expect(section.locator(".tile").nth(1 + columns)).to_be_focused()
    page.keyboard.press("End")
    sync_api.expect(section.locator(".tile").last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("m")
    assert first.get_attribute("aria-label").endswith(", marked")
    said(page, "1 image marked")
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    sync_api.expect(page.locator("#panel-name")).to_be_focused()
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()
    sync_api.expect(first).to_be_focused()
    # One stop of Tab for each sheet.
    assert section.locator(".tile[tabindex='0']").count() == 1
    section.get_by_role("button", name="Accept").focus()
    page.keyboard.press("Enter")
    sync_api.expect(section.get_by_role("button", name="Accept")).to_be_focused()
    page.keyboard.press("Control+z")
    assert section.get_by_role("button", name="Accept").get_attribute("aria-pressed") == "false"

    section.get_by_role("button", name="Rename").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("cats")
    page.keyboard.press("Enter")
    sync_api.expect(section.get_by_role("button", name="Rename cats")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    sync_api.expect(section.get_by_role("button", name="Merge cats")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Merge").press("Enter")
    said(page, "1 merged into 2")
    # Of what took the place of the cluster that is gone.
    assert page.evaluate("document.activeElement.matches('.cluster h3')")


def brightness(page):
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, color[4:-1].split(",")))


def test_dark_and_light_follow_the_system_and_the_button(opened):
    page = opened(scheme="dark")
    keep_picture(page, "report_dark")
    assert brightness(page) < 150
    page.get_by_role("button", name="Dark colours").click()
    assert brightness(page) > 600
    page.reload()
    page.locator("body[data-ready]").wait_for()
    assert brightness(page) > 600, "the choice is kept"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
def test_assistive_technology_is_served(opened, scheme, width):
    page = opened(width=width, scheme=scheme)
    cluster(page, 2).locator(".tile").first.click()
    page.locator("#outside, #duplicates").last.scroll_into_view_if_needed()
    page.locator("#panel .tile").first.wait_for()
    found = axe.Axe().run(page).response["violations"]
    grave = [
        (violation["id"], node["html"][:200], node["failureSummary"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:2]
    ]
    assert grave == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"


def test_without_what_lies_beside_it_the_page_says_so(browser, written, tmp_path):
    shutil.copy(written, tmp_path)
    page = browser.new_page()
    page.goto((tmp_path / written.name).as_uri())
    page.get_by_role("alert").wait_for()
    assert "Keep report/ together with the page" in page.get_by_role("alert").inner_text()
    page.close()
