"""The page shows the detector's own numbers, no value of an invalid row, and requests nothing."""

import csv
import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from lab.evaluation.practice_figures import assess_practice, practice_figures
from lab.practice_histories import read_histories
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.files.score_file import score_file
from services.detector.preview.page import PreviewContents, render
from tests.support.detector.tables import EXAMPLE, example, of, write
from tests.unit.detector.preview.conftest import Preview


@pytest.fixture(scope="module")
def contents(preview: Preview) -> PreviewContents:
    return preview(EXAMPLE)


def _number(page: str, name: str) -> int:
    found = re.search(rf'id="{name}">(\d+)<', page)
    assert found is not None
    return int(found[1])


def _to_read(page: str) -> str | None:
    found = re.search(r"<li>Read (.+?)\. Ask", page)
    return found and found[1]


def test_its_messages_are_those_of_rapport_score(contents: PreviewContents, model: Detector) -> None:
    scores = io.StringIO()
    score_file(EXAMPLE, scores, model, Catalogue.load())
    scores.seek(0)
    steps = [line["episode"] for line in csv.DictReader(scores)]
    opened, told = steps.count("opened"), sum(step in {"opened", "deepened"} for step in steps)
    assert opened > 5
    assert (told, opened) == (_number(render(contents), "messages"), len(contents.episodes))


def test_it_leads_with_both_rates_in_one_unit(contents: PreviewContents) -> None:
    figures = contents.figures
    therapists = len(figures.therapists)
    lead = re.search(r'class="lead">([^<]+)<', render(contents))
    assert lead is not None
    messages, flags = figures.total.messages / therapists, figures.total.flags / therapists
    assert lead[1].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") == (
        f"In {len(figures.weeks)} weeks each therapist would have had {messages:.1f} messages;"
        f" today's rule {flags:.1f} flags."
    )


def test_its_flags_are_those_of_the_vendor_rule(contents: PreviewContents, model: Detector) -> None:
    practice = assess_practice(model, read_histories(EXAMPLE, Catalogue.load()))
    rule = dict(practice_figures(practice))["vendor rule"]
    flags = _number(render(contents), "flags")
    assert flags > 100
    assert round(rule.flagged * practice.rated / 100) == flags


def test_therapists_and_weeks_add_up_to_the_whole(contents: PreviewContents) -> None:
    figures = contents.figures
    whole = (figures.total.messages, figures.total.flags)
    assert whole == (sum(w.messages for w in figures.weeks), sum(w.flags for w in figures.weeks))
    assert whole == tuple(
        sum(getattr(one.counts, name) for one in figures.therapists) for name in ("messages", "flags")
    )


def test_it_holds_no_reference_of_the_file(contents: PreviewContents) -> None:
    page = render(contents)
    told = {row[name] for row in example() for name in ("client_id", "therapist_id", "session_id")}
    assert [name for name in told if name in page] == []


def test_bad_rows_are_named_by_row_and_column_and_left_out(preview: Preview, tmp_path: Path) -> None:
    rows = example()[1:60]
    rows[3] = rows[3] | {"item_2": "77"}
    rows[5] = rows[5] | {"session_at": "sometime"}
    rows[8] = rows[8] | {"instrument": "secret-form"}
    rows[9] = rows[9] | {"item_7": "much"}
    rows[11] = rows[11] | {"client_id": ""}
    found = preview(write(tmp_path / "own.csv", {name: of(name) for name in rows[0]}, rows=rows))
    named = [(one.row, one.column) for one in found.invalid]
    assert named == [(5, "item_2"), (7, "session_at"), (10, "instrument"), (11, "item_7"), (13, "client_id")]
    values = ("77", "sometime", "secret-form", "much")
    page = re.sub(r"<svg.*?</svg>|<style>.*?</style>", "", render(found), flags=re.DOTALL)
    section = page[page.index("left out") :].partition("</section>")[0]
    assert [value for value in values if value in section] == []
    assert [value for value in values if f">{value}<" in page] == []


def test_forms_that_are_only_stored_are_no_sessions_and_rows_are_those_of_the_file(
    preview: Preview, tmp_path: Path
) -> None:
    lines = ["Client,Therapist,Date,ORS1,ORS2,ORS3,ORS4,SRS1,SRS2,SRS3,SRS4"]
    for client, therapist in (("P1", "T1"), ("P2", "T2")):
        marks = ["9.1,8.8,9,9.2", "9,9,8.9,9.1", "9.2,9,9,8.8", "9,8.7,9.1,9", "4,4.2,3.9,4.5", "4,4,4.1,4"]
        lines += [
            f"{client},{therapist},2025-03-{day:02},5,6,5,{'x' if day == 3 else 6},{form}"
            for day, form in enumerate(marks, start=1)
        ]
    (tmp_path / "both.csv").write_text("\n".join(lines) + "\n")
    contents = preview(tmp_path / "both.csv")
    page = render(contents)
    assert contents.warnings == ()
    assert "correct, repeat or withdraw" not in page
    assert re.findall(r'>\d <span class="small">\(row (\d+)\)', page) == ["2", "8"]
    assert re.findall(r"Therapist \d, client first listed in row (\d+)", page) == ["2", "8"]
    assert re.findall(r"<p class=\"small\">After the session of \w+, 5 March 2025 \(row (\d+)\)", page) == [
        "6",
        "12",
    ]
    assert set(re.findall(r'<th scope="row">row (\d+)</th>', page)) == {"2", "8"}
    assert "<td>ORS1, ORS2, ORS3, ORS4</td><td>stored, never scored</td>" in page
    assert "<h2>Left out in 2 rows</h2>" in page


def test_a_name_of_a_column_cannot_write_into_the_page(preview: Preview, tmp_path: Path) -> None:
    columns = {name: of(name) for name in example()[0]}
    columns["therapist <script>x</script>"] = columns.pop("therapist_id")
    page = render(preview(write(tmp_path / "own.csv", columns)))
    assert ("&lt;script&gt;" in page, "<script" in page) == (True, False)


class _Page(HTMLParser):
    """Collects what a browser would fetch, and whether everything is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.headings: list[int] = []
        self.unnamed = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.fetched += [v or "" for k, v in attrs if k in {"src", "href", "srcset", "action", "data"}]
        self.unnamed += given.get("role") == "img" and not {"aria-label", "aria-labelledby"} & set(given)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [v or "" for k, v in attrs if k in {"src", "href", "srcset"}]


@pytest.fixture(scope="module")
def parsed(contents: PreviewContents) -> _Page:
    page = _Page()
    page.feed(render(contents))
    return page


def test_it_requests_nothing_from_anywhere(contents: PreviewContents, parsed: _Page) -> None:
    assert [address for address in parsed.fetched if not address.startswith("#")] == []
    page = render(contents).replace('xmlns="http://www.w3.org/2000/svg"', "")  # a name, not an address
    assert re.findall(r"https?://|url\(|@import|<script", page) == []


def test_its_tags_are_closed_and_its_headings_and_charts_can_be_read_aloud(parsed: _Page) -> None:
    assert (parsed.open, parsed.unnamed) == ([], 0)
    levels = parsed.headings
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert (levels[0], levels.count(1)) == (1, 1)


def test_it_ends_with_what_it_cannot_know(contents: PreviewContents) -> None:
    assert re.findall(r"<h2[^>]*>([^<]+)<", render(contents))[-1] == "What this page cannot know"


def test_the_same_file_gives_the_same_page(contents: PreviewContents, preview: Preview) -> None:
    assert render(contents) == render(preview(EXAMPLE))


def test_it_names_the_lines_that_are_no_rows_and_asks_about_the_episodes_that_there_are(
    contents: PreviewContents, preview: Preview, tmp_path: Path
) -> None:
    head = "Sessions of North\n\nClient;Date;SRS1;SRS2;SRS3;SRS4\nId;Day;Line 1;Line 2;Line 3;Line 4\n"
    days = ("2025-03-04", "2025-03-11", "2025-03-18", "2025-03-25")
    found = {len(contents.chosen): _to_read(render(contents))}
    for falls in range(3):
        rows = [
            f"K{client};{day};{marks}\n"
            for client in range(4)
            for day in days
            for marks in ["2;1;3;2" if client < falls and day == days[-1] else "9;8,5;9;9"]
        ]
        (tmp_path / "own.csv").write_text(head + "".join(rows), encoding="utf-8")
        own = preview(tmp_path / "own.csv")
        page = render(own)
        assert "<li>Passed over: lines 1 to 2, above the names of the columns.</li>" in page
        assert "<li>Passed over: line 4, a description of the columns.</li>" in page
        found[len(own.chosen)] = _to_read(page)
    assert found == {
        0: None,
        1: "the episode with the therapist who knows this client",
        2: "the two episodes with the therapists who know these clients",
        3: "the three episodes with the therapists who know these clients",
    }
