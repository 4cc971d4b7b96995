"""The demonstration shows a page's words as a person reads them."""

from services.cli.demo.therapist_message import link_in, page_text

PAGE = """<!doctype html><html><head><title>x</title></head><body><p>Skip</p>
<main id="content">
<nav class="back"><a href="/">Back</a></nav>
<h1>To review</h1>
<p>Your client&#39;s <b>bond</b> marks moved.</p><p>They fell.</p>
<ul><li>A bad day</li><li>A hurry</li></ul>
<table>
<tr><th>Bond</th><td>3.0</td></tr>
</table>
<svg><text>0.5</text>
</svg>
<form method="post" action="/answers"><input type="hidden" name="csrf" value="t">
<button name="answer" value="discussed">We talked</button>
</form>
</main><p>Footer</p></body></html>"""


def test_a_page_is_shown_without_its_pictures_menus_and_markup() -> None:
    assert page_text(PAGE).splitlines() == [
        "To review",
        "Your client's bond marks moved.",
        "They fell.",
        "- A bad day",
        "- A hurry",
        "Bond | 3.0",
        "[ We talked ]",
    ]


def test_the_link_of_a_mail_ends_before_its_full_stop() -> None:
    assert link_in("See http://127.0.0.1:1/sign-in?token=a.b-c.\nThank you") == (
        "http://127.0.0.1:1/sign-in?token=a.b-c"
    )
