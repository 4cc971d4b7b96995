"""HTML in, what a person reads and can press out: plain text and forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

BLOCKS = frozenset(
    {"p", "div", "section", "article", "header", "main", "h1", "h2", "h3", "li", "ul", "ol", "tr", "dt", "dd"}
    | {"form", "button", "figure", "figcaption", "blockquote", "table", "br", "fieldset", "legend", "label"}
)
UNREAD = frozenset({"script", "style", "svg", "head", "nav", "footer", "template"})
CELLS = frozenset({"td", "th"})
CELL_END = "|"


@dataclass(slots=True)
class Form:
    """One form: where it goes and what it sends."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """A page as read: `text` and `forms` after `feed`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._lines: list[str] = [""]
        self._main: tuple[int, int | None] = (0, None)
        self._unread = 0
        self._button = False
        self.feed(html)

    @property
    def text(self) -> str:
        """Its words, one block a line, without empty lines; of `main` alone where there is one."""
        begin, end = self._main
        lines = (" ".join(line.split()).removesuffix(CELL_END).strip() for line in self._lines[begin:end])
        return "\n".join(line for line in lines if line)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a block, a form, or something that is not read."""
        given = {name: value or "" for name, value in attrs}
        if tag in UNREAD:
            self._unread += 1
        if tag in BLOCKS:
            self._lines.append("")
        if tag == "main":
            self._main = (len(self._lines) - 1, None)
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        if tag in {"input", "button"} and self.forms and given.get("name"):
            self.forms[-1].fields.setdefault(given["name"], given.get("value", ""))
        if tag == "li":
            self._lines[-1] = "- "
        if tag == "button":
            self._button = True

    def handle_endtag(self, tag: str) -> None:
        """End a block."""
        if tag in UNREAD:
            self._unread = max(0, self._unread - 1)
        if tag in BLOCKS:
            self._lines.append("")
        if tag == "main":
            self._main = (self._main[0], len(self._lines))
        if tag in CELLS:
            self._lines[-1] += f" {CELL_END} "
        if tag == "button":
            self._button = False

    def handle_data(self, data: str) -> None:
        """Take words in."""
        if not self._unread:
            words = data.strip()
            self._lines[-1] += f"[ {words} ]" if self._button and words else data
