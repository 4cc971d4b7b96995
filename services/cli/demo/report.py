"""What the demonstration found in, tables and plain words out."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.cli.demo.detection_figures import DetectionComparison, DetectionFigures
from services.cli.demo.run import DemoResult

WIDTH_WITHOUT_TERMINAL = 110


def show(outcome: DemoResult) -> None:
    """Print everything that was found, mismatches last."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    console.print(_reconciliation(outcome))
    if outcome.truth is not None:
        console.print(_truth(outcome.truth))
    if outcome.latency is not None:
        found = outcome.latency
        console.print(
            f"From accepted to inbox item ({found.count} items): p50 {found.p50_ms:.0f} ms, "
            f"p95 {found.p95_ms:.0f} ms, p99 {found.p99_ms:.0f} ms"
        )
    if outcome.message is not None:
        message = outcome.message
        mail = f"To: {message.to}\nSubject: {message.subject}\n\n{_without_token(message.mail)}"
        console.print(Panel(Text(mail), title="what leaves the house"))
        console.print(Panel(Text(message.page), title="what the therapist reads behind the link"))
    if outcome.picture is not None:
        console.print(f"The trajectory as a picture: {outcome.picture}", soft_wrap=True)
    if not outcome.newly_told:
        console.print("Nobody was told anything new.")
    for mismatch in outcome.reconciliation.mismatches:
        console.print(f"MISMATCH: {mismatch}", style="bold red", soft_wrap=True)
    if not outcome.reconciliation.mismatches:
        console.print("Everything that was sent is accounted for.", style="green")
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in outcome.phases_s.items())
    console.print(f"({phases})")


def _reconciliation(outcome: DemoResult) -> Table:
    table = Table("what became of it", "", title="Reconciliation", title_justify="left", box=None)
    table.columns[1].justify = "right"
    sign = ""
    for line in outcome.reconciliation.lines:
        sign = ("+" if sign else "=") if line.part else ""
        table.add_row(f"  {sign} {line.name}" if line.part else f"[bold]{line.name}[/]", f"{line.count:,}")
    return table


def _truth(truth: DetectionComparison) -> Table:
    table = Table("", "Rapport", "vendor rule", title="The truth", title_justify="left", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    both = (truth.rapport, truth.vendor)
    table.add_row("ruptures planted", f"{truth.planted}", f"{truth.planted}")
    table.add_row("of them told while under way", *(f"{one.told}" for one in both))
    table.add_row("median sessions until told", *(_sessions(one) for one in both))
    table.add_row("alerts", *(f"{one.alerts}" for one in both))
    table.add_row("alerts without a rupture", *(f"{one.alerts_without_rupture}" for one in both))
    table.add_row(f"clients with an alert, of {truth.clients}", *(f"{one.clients_alerted}" for one in both))
    per_100 = (100 * one.alerts / truth.sessions if truth.sessions else 0.0 for one in both)
    table.add_row("alerts per 100 sessions", *(f"{rate:.1f}" for rate in per_100))
    return table


def _sessions(one: DetectionFigures) -> str:
    return "-" if one.sessions_until_told is None else f"{one.sessions_until_told:g}"


def _without_token(mail: str) -> str:
    # The token was used up to read the page; it has no place in a terminal's history all the same.
    head, mark, tail = mail.strip().partition("token=")
    if not mark:
        return mail.strip()
    rest = tail.split(maxsplit=1)
    return f"{head}{mark}…" + (f"\n{rest[1]}" if len(rest) > 1 else "")
