"""Makes pictures of the item's page: all states and shapes, both languages, telephone, dark, grey print."""

import base64
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import resources
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from schemas.events import Answer, Change, EpisodeChanged
from schemas.instruments.catalogue import Catalogue
from schemas.wording.guidance.guidance import Guidance
from schemas.wording.wording import Wording
from services.notifier.domain.next_session import determine_next_session
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem, StandingAnswer
from services.notifier.sign_in import SignInSession
from services.notifier.web.guide_pages import guide_topics
from services.notifier.web.item_view import ItemSurroundings, item_view
from services.notifier.wording import Wordings
from tests.support.notifier.item_stories import KINDS, history_of, told

FOLDER = Path(".screenshots")
STATES = tuple(state for state in Change if state is not Change.CONTINUED)
SIZES = {"phone": (390, 844), "desk": (1200, 900)}
_CATALOGUE, _GUIDANCE, _WORDINGS = Catalogue.load(), Guidance.load(), Wordings.load()
_SESSION = SignInSession("north", "t-1", UUID(int=0), b"", "0")


def page_of(history: tuple[EpisodeChanged, ...], locale: str) -> str:
    """Return an item's page, whose style sheet lies in the folder of the pages."""
    wording = _WORDINGS.of(locale)
    therapist = Therapist("north", "t-1", time_zone="Europe/Vienna", locale=locale)
    first = next(one for one in reversed(history) if one.change in {Change.OPENED, Change.DEEPENED})
    state = next(one.change for one in reversed(history) if one.change is not Change.CONTINUED)
    given = StandingAnswer(Answer.DISCUSSED, first.session_at + timedelta(days=1))
    item = InboxItem(
        episode_id=first.episode_id,
        state=state,
        told_at=first.accepted_at,
        change=first,
        given=given if state is Change.ACKNOWLEDGED else None,
        first_revision=1,
        history=history,
    )
    newest = history[-1]
    around = ItemSurroundings(
        _CATALOGUE,
        _GUIDANCE,
        None,
        newest.session_at + timedelta(hours=3),
        determine_next_session(newest, None, therapist.zone),
    )
    return _render(
        "item.html",
        wording,
        item=item_view(item, therapist, around, wording),
        awaits_answer=item.awaits_answer,
        episode_id=item.episode_id,
        failed=False,
        confirmation=None,
        topics=(),
    )


def _guide(locale: str) -> str:
    wording = _WORDINGS.of(locale)
    topics = guide_topics(_GUIDANCE, wording, "north")
    return _render("guide.html", wording, topics=topics, card=_GUIDANCE.start_card(wording))


def _render(template: str, wording: Wording, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("services.notifier.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(t=wording, base=".", session=_SESSION, **values)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and text of each page."""
    for locale in ("en", "de"):
        for state in STATES:
            yield f"{locale}-state-{state.value}", page_of(history_of(state), locale)
        for kind, forms in KINDS.items():
            yield f"{locale}-kind-{kind}", page_of((told(forms),), locale)
        yield f"{locale}-guide", _guide(locale)


@contextmanager
def _browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))))
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def lay_out_pages(folder: Path) -> dict[str, Path]:
    """Write all pages and their style sheet; return the files by the names of the pages."""
    static = folder / "static"
    static.mkdir(parents=True, exist_ok=True)
    style = (resources.files("services.notifier.web") / "static" / "style.css").read_text("utf-8")
    (static / "style.css").write_text(style, "utf-8")
    files = {}
    for name, text in pages():
        files[name] = (folder / f"{name}.html").resolve()
        files[name].write_text(text, "utf-8")
    return files


def whole_answer_end(driver: webdriver.Chrome) -> int | None:
    """Return how far below the top the first answer ends, in px; None on a page that asks for none."""
    end: int | None = driver.execute_script(
        "const b = document.querySelector('.buttons button');"
        "return b ? Math.round(b.getBoundingClientRect().bottom) : null"
    )
    return end


def printed_pages(driver: webdriver.Chrome, file: Path | None = None) -> int:
    """Return the number of sheets that the page prints on; the print is kept in `file`."""
    printed = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    if file is not None:
        file.write_bytes(printed)
    return printed.count(b"/Type /Page") - printed.count(b"/Type /Pages")


def main() -> None:
    """Write the pages and their pictures, and print where they are and where the first answer ends."""
    count = 0
    files = lay_out_pages(FOLDER)
    with _browser() as driver:
        for name, file in files.items():
            driver.get(file.as_uri())
            for picture in _pictures(driver, name):
                count += 1
                sys.stdout.write(f"{picture}\n")
    sys.stdout.write(f"{count} pictures are in {FOLDER}/\n")


def _pictures(driver: webdriver.Chrome, name: str) -> Iterator[str]:
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            _emulate(driver, width, height, "screen", scheme)
            yield _save(driver, f"{name}-{size}-{scheme}", whole=size == "desk")
    _emulate(driver, 794, 1123, "print", "light")
    driver.execute_cdp_cmd("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})
    yield _save(driver, f"{name}-print-grey", whole=True)
    driver.execute_cdp_cmd("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    yield f"{name}.pdf: {printed_pages(driver, FOLDER / f'{name}.pdf')} printed page(s)"


def _emulate(driver: webdriver.Chrome, width: int, height: int, media: str, scheme: str) -> None:
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def _save(driver: webdriver.Chrome, name: str, *, whole: bool) -> str:
    """Save the screen, or the whole page; return where the first answer ends."""
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
    (FOLDER / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))
    end = whole_answer_end(driver)
    return name if end is None else f"{name}: the first answer ends at {end} px"


if __name__ == "__main__":
    main()
