"""Makes pictures of the therapist's pages: all states and shapes, languages, telephone, dark, grey print."""

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined
from playwright.sync_api import Page

from schemas.events import Answer, Change, EpisodeChanged
from schemas.instruments.catalogue import Catalogue
from schemas.wording.guidance.guidance import Guidance
from schemas.wording.wording import Wording
from services.notifier.domain.next_session import determine_next_session
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.items import InboxItem, MeasuredForm, MeasureSeries, StandingAnswer
from services.notifier.sign_in import SignInSession
from services.notifier.web.guide_pages import guide_topics
from services.notifier.web.item_pages import SharedLink
from services.notifier.web.item_view import ItemSurroundings, item_view
from services.notifier.web.measure_view import MeasureView, measure_views
from services.notifier.wording import Wordings
from tests.support.notifier.chromium import DESK, PHONE, chromium, printed_sheets
from tests.support.notifier.item_stories import KINDS, history_of, told

FOLDER = Path(".screenshots")
STATES = tuple(state for state in Change if state is not Change.CONTINUED)
_CATALOGUE, _GUIDANCE, _WORDINGS = Catalogue.load(), Guidance.load(), Wordings.load()
_SHARE_URL = "https://rapport.example/shared?token=WyJzaGFyZSJd.c2lnbmF0dXJl"
_SESSION = SignInSession("north", "t-1", UUID(int=0), b"", "0")


def page_of(
    history: tuple[EpisodeChanged, ...],
    locale: str,
    *,
    number: int | None = None,
    is_shared: bool = False,
    is_read_only: bool = False,
) -> str:
    """Return an item's page, whose style sheet lies in the folder of the pages.

    `number` stands for the client's reference where that is hidden. With `is_shared` a link to the item was
    made; with `is_read_only` it is the page that whoever has the link sees.
    """
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
        number,
    )
    view = item_view(item, therapist, around, wording)
    moment = wording.moment(newest.session_at + timedelta(days=3), therapist.zone)
    until = wording("share.until", moment=moment)
    return _render(
        "shared_item.html" if is_read_only else "item.html",
        wording,
        session=None if is_read_only else _SESSION,
        item=view,
        title=view.title,
        until=until,
        awaits_answer=item.awaits_answer,
        episode_id=item.episode_id,
        failed=False,
        confirmation=None,
        topics=(),
        measures=() if is_read_only else _measures(newest.session_at, wording, therapist),
        share=SharedLink(_SHARE_URL, until, moment) if is_shared else None,
    )


def _measures(until: datetime, wording: Wording, therapist: Therapist) -> tuple[MeasureView, ...]:
    totals = {"ors": (24.1, 25.3, None, 22.8, 18.4), "phq-9": (11, 9, 12, 13), "wai-s-t": (70, 68, 71, 69)}
    series = [
        MeasureSeries(
            name,
            tuple(MeasuredForm(until - timedelta(weeks=len(given) - n), one) for n, one in enumerate(given)),
        )
        for name, given in totals.items()
    ]
    return measure_views(series, _CATALOGUE, wording, therapist.zone)


def _guide(locale: str) -> str:
    wording = _WORDINGS.of(locale)
    topics = guide_topics(_GUIDANCE, wording, "north")
    return _render("guide.html", wording, session=_SESSION, topics=topics, card=_GUIDANCE.start_card(wording))


def _render(template: str, wording: Wording, **values: object) -> str:
    environment = Environment(
        loader=PackageLoader("services.notifier.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(t=wording, base=".", sandbox=False, **values)


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and text of each page."""
    for locale in ("en", "de"):
        for state in STATES:
            yield f"{locale}-state-{state.value}", page_of(history_of(state), locale)
        for kind, forms in KINDS.items():
            yield f"{locale}-kind-{kind}", page_of((told(forms),), locale)
        yield f"{locale}-guide", _guide(locale)
        step = (told(KINDS["step"]),)
        yield f"{locale}-numbered-and-shared", page_of(step, locale, number=7, is_shared=True)
        yield f"{locale}-shared-view", page_of(step, locale, number=7, is_read_only=True)


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


def whole_answer_end(page: Page) -> int | None:
    """Return how far below the top the first answer ends, in px; None on a page that asks for none."""
    end: int | None = page.evaluate(
        "(b => b && Math.round(b.getBoundingClientRect().bottom))(document.querySelector('.buttons button'))"
    )
    return end


def main() -> None:
    """Write the pages and their pictures, and print where they are and where the first answer ends."""
    count = 0
    files = lay_out_pages(FOLDER)
    with chromium() as browser, browser.new_page() as page:
        for name, file in files.items():
            page.goto(file.as_uri())
            for picture in _pictures(page, name):
                count += 1
                sys.stdout.write(f"{picture}\n")
    sys.stdout.write(f"{count} pictures are in {FOLDER}/\n")


def _pictures(page: Page, name: str) -> Iterator[str]:
    for size, viewport in {"phone": PHONE, "desk": DESK}.items():
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(media="screen", color_scheme=scheme)
            yield _save(page, f"{name}-{size}-{scheme}", whole=size == "desk")
    page.set_viewport_size({"width": 794, "height": 1123})
    page.emulate_media(media="print", color_scheme="light")
    # Grey: what a printer without colours makes of it.
    page.add_style_tag(content="html { filter: grayscale(1) }")
    yield _save(page, f"{name}-print-grey", whole=True)
    sheets = printed_sheets(page.pdf(path=FOLDER / f"{name}.pdf", format="A4"))
    yield f"{name}.pdf: {sheets} printed sheet(s)"


def _save(page: Page, name: str, *, whole: bool) -> str:
    """Save the screen, or the whole page; return where the first answer ends."""
    page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)
    end = whole_answer_end(page)
    return name if end is None else f"{name}: the first answer ends at {end} px"


if __name__ == "__main__":
    main()
