"""The page of the service in a real browser: what is shown, said, marked, copied and linked."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

import uwe
from tiny_model import write_model
from uwe.cache.target_cache import TargetCache
from uwe.extraction.findings import Finding
from uwe.service.app import Settings, make_app

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("no chromium: install Debian's package", allow_module_level=True)

expect.set_options(timeout=10_000)

SKILLS = {
    "bake goods": "craft",
    "food hygiene rules": "rule",
    "maintain work area cleanliness": "craft",
    "process payments": "office",
    "communicate with customers": "office",
    "drive vehicles": "craft",
    '=2+5 spreadsheet formulas, "quoted" <b>bold</b>': "office",
    "SQL": "office",
    "operate forklift": "craft",
    "conduct forklift inspections": "rule",
    "repair bicycles": "craft",
    "contract law": "rule",
}
ADVERT = """\
Baker's assistant \N{BREAD}\N{ZERO WIDTH SPACE} <script>window.pwned = 1</script>
<img src=x onerror=alert(1)>
You will:
- take payments at the till \N{FAMILY} and bag up loaves
- keep work areas clean; food hygiene certificate an advantage
- help with kneading, shaping and baking at 5 am
\N{RIGHT-TO-LEFT OVERRIDE}talk with customers\N{POP DIRECTIONAL FORMATTING} \N{HEBREW LETTER ALEF}
"""

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> TargetCache:
    """What is served as `skills`, and as `more`."""
    return TargetCache.build(
        uwe.load(),
        list(SKILLS),
        path=tmp_path_factory.mktemp("page") / "skills.uwe",
        ids=[f"S{number}" for number in range(len(SKILLS))],
        metadata={
            "kind": list(SKILLS.values()),
            "uri": [
                f"https://example.org/{n}" if n else "javascript:1" for n in range(len(SKILLS))
            ],
        },
    )


@pytest.fixture(scope="module")
def service(cache: TargetCache, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running service, whose last space neither extracts nor is calibrated."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny = uwe.load(write_model(folder))
    TargetCache.build(tiny, ["data engineer", "baker"], path=folder / "tiny.uwe")
    spaces = (f"skills={cache.path}", f"more={cache.path}", f"tiny={folder / 'tiny.uwe'}")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # a browser that is early waits
        config = uvicorn.Config(make_app(Settings(spaces)), log_level="warning", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # As root, as in a container, chromium has no sandbox.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser, service: str) -> Iterator[Visit]:
    """Opens the page; at the end, no script of it has failed and its policy has refused nothing."""
    contexts, wrong = [], list[str]()

    def visit(
        fragment: str = "", *, before: Callable[[Page], None] | None = None, **more: Any
    ) -> Page:
        context = browser.new_context(
            viewport=more.pop("viewport", {"width": 1200, "height": 800}), **more
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("console", lambda said: wrong.append(said.text) if "Policy" in said.text else None)
        if before:
            before(page)
        page.goto(service + fragment)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def labels(page: Page) -> Any:
    return page.locator("#list .label")


def ask(page: Page, text: str, wanted: list[str]) -> None:
    """Type, and wait for the labels that are wanted."""
    page.fill("#text", text)
    expect(labels(page)).to_have_text(wanted)


def found(cache: TargetCache, least: float = 0.5, text: str = ADVERT, **more: Any) -> list[Finding]:
    return list(uwe.extract(text, cache, min_confidence=least, **more))


def names(findings: list[Any]) -> list[str]:
    return [finding.label for finding in findings]


def shown(page: Page, kind: str) -> str:
    """The text of the page with a bar for each character that is not of a kind."""
    # A code point of JavaScript's iteration is a character of Python.
    row: str = page.evaluate(
        """(kind) => [...mirror.childNodes].map((node) => node.matches?.(kind) ? node.textContent
            : "|".repeat([...node.textContent].length)).join("").slice(0, -1)""",
        kind,
    )
    return row


def parts(text: str, spans: list[tuple[int, int]]) -> str:
    kept = {at for start, end in spans for at in range(start, end)}
    return "".join(c if at in kept else "|" for at, c in enumerate(text))


def of_places(findings: list[Finding]) -> list[tuple[int, int]]:
    return [(place.start, place.end) for finding in findings for place in finding.places]


def of_words(finding: Finding) -> list[tuple[int, int]]:
    return [(word.start, word.end) for place in finding.places for word in place.words]


def where(page: Page, mark: str) -> tuple[float, float]:
    """A point on a mark, which lies behind the text box."""
    x, y = page.evaluate(
        """(text) => {
          const all = [...document.querySelectorAll("mark")];
          const mark = all.find((mark) => mark.textContent.includes(text));
          const { x, y, width, height } = mark.getClientRects()[0];
          return [x + Math.min(width / 2, 8), y + height / 2];
        }""",
        mark,
    )
    return x, y


def test_a_title_is_ranked_and_its_words_light_up(visit: Visit, cache: TargetCache) -> None:
    page = visit()
    matches = uwe.rank("forklift check", cache, k=10)
    ask(page, "forklift check", names(matches))
    sure = [f"{100 * (match.confidence or 0):.0f}\u202f%" for match in matches]
    expect(page.locator("#list b")).to_have_text(sure)
    page.locator("#list button").first.hover()
    assert "forklift" in shown(page, ".earned")
    page.mouse.move(*where(page, "forklift"))
    expect(page.locator("#list button.on")).to_have_count(10)
    expect(page.locator("#more")).to_have_text(f"Show all {len(SKILLS)}")
    page.click("#more")
    expect(labels(page)).to_have_count(len(SKILLS))


def test_places_of_an_advert_are_marked_and_light_up_both_ways(
    visit: Visit, cache: TargetCache
) -> None:
    findings = found(cache)
    assert len(findings) > 3
    page = visit()
    ask(page, ADVERT, names(findings))
    assert shown(page, ".found") == parts(ADVERT, of_places(findings))
    for number, finding in enumerate(findings):
        page.locator("#list button").nth(number).hover()
        assert shown(page, ".on, .earned") == parts(ADVERT, of_places([finding]))
        assert shown(page, ".earned") == parts(ADVERT, of_words(finding))
    customers = next(f.label for f in findings if "talk with" in f.places[0].text)
    page.mouse.move(*where(page, "talk"))
    expect(page.locator("#list .on .label")).to_have_text([customers])
    expect(page.locator("#here")).to_contain_text(customers)
    page.mouse.move(1, 1)
    expect(page.locator(".on")).to_have_count(0)


def test_focus_lights_up_what_the_pointer_would(visit: Visit, cache: TargetCache) -> None:
    findings = found(cache)
    page = visit()
    ask(page, ADVERT, names(findings))
    page.locator("#list button").first.focus()
    assert shown(page, ".on, .earned") == parts(ADVERT, of_places(findings[:1]))
    page.keyboard.press("ArrowDown")
    assert shown(page, ".on, .earned") == parts(ADVERT, of_places(findings[1:2]))
    page.keyboard.press("Escape")
    assert shown(page, ".on, .earned") == parts(ADVERT, [])
    page.focus("#text")
    page.keyboard.press("Control+Home")
    for _ in range(4):  # to the line of the work areas
        page.keyboard.press("ArrowDown")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#list .on .label")).to_have_text(["maintain work area cleanliness"])
    expect(page.locator("#here")).to_contain_text("maintain work area cleanliness")


def test_texts_are_shown_as_they_are(visit: Visit) -> None:
    page = visit()
    with page.expect_response("**/v1/extract"):
        page.fill("#text", ADVERT)
    assert page.input_value("#text") == ADVERT
    assert page.locator("#mirror").text_content() == ADVERT + "\N{ZERO WIDTH SPACE}"
    # Where letters stand, in the text box and behind it.
    assert page.evaluate("[text.scrollHeight, text.clientWidth]") == page.evaluate(
        "[mirror.scrollHeight, mirror.clientWidth]"
    )
    label = next(label for label in SKILLS if "<b>" in label)
    page.fill("#text", "spreadsheet formulas")
    expect(labels(page).first).to_have_text(label)
    assert page.locator("main :is(script, img, b b)").count() == 0
    assert page.evaluate("window.pwned") is None
    uris = page.locator("#list a").evaluate_all("links => links.map((link) => link.href)")
    assert len(uris) == 9 or "javascript:1" not in uris
    assert all(uri.startswith("https://example.org/") for uri in uris)


def test_marks_move_with_an_edit_before_the_service_answers(
    visit: Visit, cache: TargetCache
) -> None:
    findings = found(cache)
    page = visit()
    ask(page, ADVERT, names(findings))
    page.route("**/v1/**", lambda route: None)  # never answered
    page.evaluate("text.setSelectionRange(0, 0)")
    page.locator("#text").press_sequentially("Hi! ")
    moved = [(start + 4, end + 4) for start, end in of_places(findings)]
    assert shown(page, ".found") == parts("Hi! " + ADVERT, moved)


def test_what_is_read_as_a_whole_text_shows_and_can_be_overruled(
    visit: Visit, cache: TargetCache
) -> None:
    page = visit()
    line = "you bake bread and keep the kitchen clean"
    ask(page, line, names(uwe.rank(line, cache, k=10)))
    page.get_by_label("Whole text").check()
    expect(labels(page)).to_have_text(names(found(cache, text=line)))
    page.get_by_label("Auto").check()
    for long in (f"{line}\n{line}", f"{line}, " * 5):
        ask(page, long, names(found(cache, text=long)))
    page.get_by_label("One query").check()
    expect(labels(page)).to_have_count(10)


def test_the_threshold_needs_no_request(visit: Visit, cache: TargetCache) -> None:
    page = visit()
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    ask(page, ADVERT, names(found(cache)))
    done = len(asked)
    sure = found(cache)[1].confidence
    for least in (f"{100 * sure:.0f}", "100", "30"):
        page.locator("#least").fill(least)
        findings = found(cache, int(least) / 100)
        expect(labels(page)).to_have_text(names(findings))
        assert shown(page, ".found") == parts(ADVERT, of_places(findings))
    assert len(asked) == done
    page.locator("#least").fill("2")  # fewer than were asked for
    expect(labels(page)).to_have_text(names(found(cache, 0.02)))
    page.locator("#least").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#bound")).to_have_text("3\u202f%")


def test_nothing_that_is_sure_enough_says_so(visit: Visit) -> None:
    page = visit()
    page.fill("#text", "forklift")
    expect(labels(page).first).to_be_visible()  # the first answer sets the threshold of its kind
    page.locator("#least").fill("100")
    expect(page.locator("#status")).to_contain_text("100\u202f%")
    expect(page.locator("#tools")).to_be_hidden()


def test_spaces_and_filters(visit: Visit, cache: TargetCache) -> None:
    page = visit()
    ask(page, "forklift", names(uwe.rank("forklift", cache, k=10)))
    page.get_by_label("Filter", exact=True).select_option("kind")
    page.locator("#value").select_option("rule")
    rules = names(uwe.rank("forklift", cache, where={"kind": "rule"}))
    expect(labels(page)).to_have_text(rules)
    assert len(rules) == 3
    page.get_by_label("Filter", exact=True).select_option("none")
    expect(labels(page)).to_have_count(10)
    page.get_by_label("Targets").select_option("tiny")
    expect(labels(page)).to_have_text(["baker", "data engineer"])
    expect(page.get_by_label("Whole text")).to_be_disabled()
    expect(page.locator("#notes")).to_contain_text("not calibrated")


def taken(page: Page, button: str) -> str:
    page.get_by_role("button", name=button).click()
    expect(page.locator("#taken")).to_contain_text("Copied")
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}


def test_results_can_be_copied(visit: Visit, cache: TargetCache) -> None:
    page = visit(**CLIPBOARD)
    findings = found(cache)
    ask(page, ADVERT, names(findings))
    document = json.loads(taken(page, "Copy JSON"))
    assert document["targets"] == "skills"
    assert document["text"] == ADVERT
    assert [f["label"] for f in document["findings"]] == names(findings)
    rows = list(csv.DictReader(io.StringIO(taken(page, "Copy CSV"), newline="")))
    places = [(f, place) for f in findings for place in f.places]
    assert [row["label"] for row in rows] == [f.label for f, _ in places]
    assert [ADVERT[int(row["start"]) : int(row["end"])] for row in rows] == [
        place.text for _, place in places
    ]
    assert [row["metadata.kind"] for row in rows] == [SKILLS[f.label] for f, _ in places]


def test_no_cell_of_csv_is_a_formula(visit: Visit) -> None:
    page = visit(**CLIPBOARD)
    page.fill("#text", "spreadsheet formulas")
    label = next(label for label in SKILLS if label.startswith("="))
    expect(labels(page).first).to_have_text(label)
    first = next(csv.DictReader(io.StringIO(taken(page, "Copy CSV"), newline="")))
    assert first["label"] == f"'{label}"
    assert float(first["score"]) > 0
    cells = ["+1", "-1", "@a", "\t=1", " =1", "\uff1d1", -1, None, "a-b"]
    assert page.evaluate("(cells) => cells.map(cell)", cells) == [
        "'+1", "'-1", "'@a", '"\'\t=1"', '"\' =1"', "'\uff1d1", "-1", "", "a-b",
    ]  # fmt: skip


def test_results_can_be_saved(visit: Visit, cache: TargetCache, tmp_path: Path) -> None:
    page = visit()
    ask(page, "forklift", names(uwe.rank("forklift", cache, k=10)))
    for form in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save {form}").click()
        download.value.save_as(tmp_path / form)
        assert download.value.suggested_filename == f"skills.{form.lower()}"
    assert len(json.loads((tmp_path / "JSON").read_text("utf-8"))["matches"]) == 10
    with (tmp_path / "CSV").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 10


def test_copying_works_without_the_clipboard_of_secure_pages(visit: Visit) -> None:
    page = visit(
        before=lambda page: page.add_init_script("delete Navigator.prototype.clipboard"),
        permissions=["clipboard-read"],
    )
    page.fill("#text", "forklift")
    page.get_by_role("button", name="Copy JSON").click()
    expect(page.locator("#taken")).to_contain_text("Copied")
    page.fill("#text", "")
    page.focus("#text")
    page.keyboard.press("Control+V")
    assert json.loads(page.input_value("#text"))["query"] == "forklift"


def test_a_link_holds_what_was_asked_and_no_server_sees_it(
    visit: Visit, cache: TargetCache
) -> None:
    page = visit(**CLIPBOARD)
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Targets").select_option("more")
    page.get_by_label("Filter", exact=True).select_option("kind")
    page.locator("#value").select_option("office")
    findings = found(cache, where={"kind": "office"})
    ask(page, ADVERT, names(findings))
    page.locator("#least").fill("31")
    link = taken(page, "Copy link")
    assert not [url for url in asked if "payments" in url]
    other = visit(link[link.index("#") :])
    expect(labels(other)).to_have_text(names(found(cache, 0.31, where={"kind": "office"})))
    assert other.input_value("#text") == ADVERT
    assert other.input_value("#targets") == "more"
    assert other.input_value("#least") == "31"
    other.evaluate("location.hash = '#text=forklift&mode=extract&least=7'")
    expect(other.locator("#text")).to_have_value("forklift")
    expect(labels(other)).to_have_text(names(found(cache, 0.07, text="forklift")))


def test_links_that_make_no_sense_are_forgiven(visit: Visit) -> None:
    page = visit("#text=baker&targets=none&mode=x&column=y&value=z&least=1e9&%zz=%")
    expect(page.locator("#list .label").first).to_be_visible()
    assert page.input_value("#targets") == "skills"


def test_a_text_too_long_for_a_link_is_left_out(visit: Visit, cache: TargetCache) -> None:
    page = visit(**CLIPBOARD)
    answer = {"targets": "skills", "extractions": [uwe.extract(ADVERT, cache).to_dict()]}
    page.route("**/v1/extract", lambda route: route.fulfill(json=answer))
    page.evaluate("(long) => { text.value = long; }", ADVERT + "x " * 16_000)
    page.locator("#text").dispatch_event("input")
    expect(page.locator("#list li").first).to_be_visible()
    assert len(taken(page, "Copy link")) < 100
    expect(page.locator("#taken")).to_contain_text("too long")


def test_the_keyboard_reaches_everything(visit: Visit, cache: TargetCache) -> None:
    page = visit()
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("forklift")
    expect(labels(page)).to_have_text(names(uwe.rank("forklift", cache, k=10)))
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.id")
        )
    assert reached[:5] == ["Copy CSV", "Copy JSON", "Copy link", "Save CSV", "Save JSON"]
    expect(page.locator("#list button").first).to_have_class("on")
    for _ in range(9):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#list button").last).to_be_focused()
    page.focus("#text")
    for wanted in ("least", "mode", "column", "targets"):
        page.keyboard.press("Shift+Tab")
        here = page.evaluate("document.activeElement.name || document.activeElement.id")
        assert here == wanted
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#results")).to_be_focused()


def test_a_service_that_is_gone_is_said_in_words(visit: Visit) -> None:
    page = visit()
    page.fill("#text", "forklift")
    expect(labels(page)).to_have_count(10)
    page.context.set_offline(True)
    page.fill("#text", "forklift driver")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(labels(page)).to_have_count(0)
    assert page.input_value("#text") == "forklift driver"
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(labels(page)).to_have_count(10)
    expect(page.get_by_role("alert")).to_be_empty()


def problem(status: int, **more: Any) -> dict[str, Any]:
    body = {"title": "Wrong", "status": status, **more.pop("body", {})}
    return {
        "status": status,
        "content_type": "application/problem+json",
        "body": json.dumps(body),
        **more,
    }


def test_a_busy_service_is_asked_again_when_it_says(visit: Visit) -> None:
    page = visit()
    page.clock.install()
    busy = problem(429, headers={"Retry-After": "30"}, body={"detail": "too many queries wait"})
    page.route("**/v1/rank", lambda route: route.fulfill(**busy))
    page.fill("#text", "forklift")
    page.clock.run_for(1000)
    expect(page.get_by_role("alert")).to_contain_text("too many queries wait", ignore_case=True)
    expect(page.get_by_role("alert")).to_contain_text("30 seconds")
    page.unroute("**/v1/rank")
    page.clock.run_for(28_000)
    expect(labels(page)).to_have_count(0)
    page.clock.run_for(2_000)
    expect(labels(page)).to_have_count(10)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (
            problem(422, body={"errors": [{"field": "query", "message": "too long"}]}),
            "query: too long",
        ),
        (problem(404, body={"detail": "no such space"}), "no such space"),
        ({"status": 502, "body": "<h1>Bad gateway"}, "502"),
        ({"status": 200, "body": "<h1>Hello"}, "200"),
        ({"status": 200, "body": '{"rankings": 3}'}, "cannot be shown"),
    ],
)
def test_errors_are_said_in_words(visit: Visit, answer: dict[str, Any], wanted: str) -> None:
    page = visit()
    page.route("**/v1/rank", lambda route: route.fulfill(**answer))
    page.fill("#text", "forklift")
    expect(page.get_by_role("alert")).to_contain_text(wanted, ignore_case=True)


def test_a_key_is_asked_for_and_kept_in_the_tab(visit: Visit) -> None:
    def locked(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
        else:
            route.fulfill(**problem(401))

    page = visit(before=lambda page: page.route("**/v1/**", locked))
    for key, said in (("mellon", "refused"), ("sesame", "")):
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("alert")).to_contain_text(said)
    page.fill("#text", "forklift")
    expect(labels(page)).to_have_count(10)
    assert "sesame" not in page.url
    page.reload()
    expect(labels(page)).to_have_count(10)
    expect(page.locator("#ask")).to_be_hidden()


def test_a_new_text_ends_the_request_of_the_old_one(visit: Visit, cache: TargetCache) -> None:
    watch = """const real = fetch; window.signals = [];
        window.fetch = (path, more) => (signals.push(more.signal), real(path, more));"""
    page = visit(before=lambda page: page.add_init_script(watch))
    page.route("**/v1/rank", lambda route: None, times=1)  # the first is never answered
    with page.expect_request("**/v1/rank"):
        page.fill("#text", "baker")
    ask(page, "forklift", names(uwe.rank("forklift", cache, k=10)))
    assert page.evaluate("signals.slice(1).map((signal) => signal.aborted)") == [True, False]


def test_a_text_in_another_language_is_said(visit: Visit) -> None:
    page = visit()
    found = {"rankings": [{"query": "", "language": "German", "truncated": True, "matches": []}]}
    page.route("**/v1/rank", lambda route: route.fulfill(json={"targets": "skills", **found}))
    page.fill("#text", "Bäcker")
    expect(page.locator("#notes li")).to_have_count(2)
    expect(page.locator("#notes")).to_contain_text("German")


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"color_scheme": "dark"},
        {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True},
        {"viewport": {"width": 640, "height": 360}, "color_scheme": "dark"},
    ],
    ids=["light", "dark", "phone", "zoomed"],
)
def test_nothing_stands_in_the_way_of_anyone(visit: Visit, look: dict[str, Any]) -> None:
    page = visit(**look)
    for text, one in (("", "#examples button"), ("forklift", "#more"), (ADVERT, "mark.found")):
        page.fill("#text", text)
        expect(page.locator(one).first).to_be_visible()
        page.locator("#results button:visible").first.focus()
        wrong = Axe().run(page).response["violations"]
        assert not [
            (rule["id"], [node["html"] for node in rule["nodes"]])
            for rule in wrong
            if rule["impact"] in ("serious", "critical")
        ]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_place_on_a_phone_shows_its_findings(visit: Visit, cache: TargetCache) -> None:
    page = visit(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    ask(page, ADVERT, names(found(cache)))
    page.locator("#list button").first.tap()
    best = found(cache)[0]
    assert shown(page, ".on, .earned") == parts(ADVERT, of_places([best]))
    expect(page.locator("mark.on").first).to_be_in_viewport()
    page.evaluate("document.querySelector('#box').scrollTop = 0")
    page.touchscreen.tap(*where(page, "keep"))
    expect(page.locator("#here")).to_contain_text("maintain work area cleanliness")


def test_a_page_asks_for_nothing_but_its_service(visit: Visit, service: str) -> None:
    urls = list[str]()
    page = visit(before=lambda page: page.on("request", lambda request: urls.append(request.url)))
    page.fill("#text", "forklift")
    expect(labels(page)).to_have_count(10)
    assert {url for url in urls if not url.startswith((service, "data:"))} == set()
    assert page.locator("[style], style, script:not([src])").count() == 0
