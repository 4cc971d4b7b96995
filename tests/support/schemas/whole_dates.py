"""Writes expected texts with the spaces at which no date breaks."""

import re

_MONTHS = "Jan|Feb|Mar|März|Apr|May|Mai|Jun|Juni|Jul|Juli|Aug|Sep|Sept|Oct|Okt|Nov|Dec|Dez"
_BROKEN = re.compile(rf"(?<=\d) (?=(?:{_MONTHS})\b)|(?<=\d\.) (?=(?:{_MONTHS})\b)|(?<=:\d\d) (?=Uhr\b)")


def whole_dates(text: str) -> str:
    r"""Return a text with a no-break space in each of its dates.

    >>> whole_dates("On 18 Nov, or Mi., 18. Nov., 05:00 Uhr")
    'On 18\xa0Nov, or Mi., 18.\xa0Nov., 05:00\xa0Uhr'
    """
    return _BROKEN.sub("\N{NO-BREAK SPACE}", text)
