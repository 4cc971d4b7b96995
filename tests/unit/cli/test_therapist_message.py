"""A page is read as a person reads it."""

from services.cli.demo.html_text import Page
from services.cli.demo.therapist_message import link_in

PAGE = """<!doctype html><html><head><title>x</title><style>p{}</style></head><body><nav>menu</nav><p>Skip</p>
<main><h1>To review</h1><p>Your client&#39;s <b>bond</b>
marks moved.</p><svg><text>0.5</text></svg>
<form method="post" action="/answers"><input type="hidden" name="csrf" value="t">
<button name="answer" value="discussed">We talked</button></form></main><p>behind</p></body></html>"""


def test_blocks_become_lines_and_ornaments_are_left_out() -> None:
    assert Page(PAGE).text == "To review\nYour client's bond marks moved.\n[ We talked ]"


def test_the_cells_of_a_table_stand_apart() -> None:
    table = "<table><tr><th>Bond</th><td>3.0</td></tr><tr><th>Goals</th><td>2.5</td></tr></table>"

    assert Page(table).text == "Bond | 3.0\nGoals | 2.5"


def test_a_form_knows_where_it_goes_and_what_it_sends() -> None:
    (form,) = Page(PAGE).forms

    assert (
        form.action,
        form.method,
        form.fields,
    ) == ("/answers", "post", {"csrf": "t", "answer": "discussed"})


def test_the_link_of_a_mail_ends_before_its_full_stop() -> None:
    assert link_in("See http://127.0.0.1:1/sign-in?token=a.b-c.\nThank you") == (
        "http://127.0.0.1:1/sign-in?token=a.b-c"
    )
