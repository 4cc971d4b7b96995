"""Prints the result of a demonstration as tables and plain sentences."""

import re

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.cli.demo.detection_figures import DetectionComparison, DetectionFigures
from services.cli.demo.run import DemoResult

WIDTH_WITHOUT_TERMINAL = 110


def show(result: DemoResult) -> None:
    """Print the whole result, mismatches last."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL)
    console.print(_reconciliation(result))
    if result.truth is not None:
        console.print(_comparison(result.truth))
        console.print(truth_sentence(result.truth))
    if result.latency is not None:
        latency = result.latency
        console.print(
            f"From accepted to inbox item ({latency.count} items): p50 {latency.p50_ms:.0f} ms, "
            f"p95 {latency.p95_ms:.0f} ms, p99 {latency.p99_ms:.0f} ms"
        )
    if result.message is not None:
        message = result.message
        mail = f"To: {message.to}\nSubject: {message.subject}\n\n{_without_token(message.mail)}"
        console.print(Panel(Text(mail), title="The mail"))
        console.print(Panel(Text(message.page), title="What the therapist reads behind the link"))
    if result.picture is not None:
        console.print(f"The client's marks as a picture: {result.picture}", soft_wrap=True)
    if not result.new_items:
        console.print("No therapist was told anything new.")
    for mismatch in result.reconciliation.mismatches:
        console.print(f"MISMATCH: {mismatch}", style="bold red", soft_wrap=True)
    if not result.reconciliation.mismatches:
        console.print("Everything that was sent is accounted for.", style="green")
    phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.phases_s.items())
    console.print(f"({phases})")


def _reconciliation(result: DemoResult) -> Table:
    table = Table("", "count", title="Reconciliation", title_justify="left", box=None)
    table.columns[1].justify = "right"
    sign = ""
    for line in result.reconciliation.lines:
        sign = ("+" if sign else "=") if line.part else ""
        table.add_row(f"  {sign} {line.name}" if line.part else f"[bold]{line.name}[/]", f"{line.count:,}")
    return table


def _comparison(truth: DetectionComparison) -> Table:
    title = "Alerts and simulated ruptures"
    table = Table("", "Rapport", "vendor rule", title=title, title_justify="left", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    rules = (truth.rapport, truth.vendor)
    per_100 = (100 * rule.alerts / truth.sessions if truth.sessions else 0.0 for rule in rules)
    table.add_row("simulated ruptures", f"{truth.ruptures}", f"{truth.ruptures}")
    table.add_row("detected while under way", *(f"{rule.detected}" for rule in rules))
    table.add_row("median sessions until the alert", *(_delay(rule) for rule in rules))
    table.add_row("alerts", *(f"{rule.alerts}" for rule in rules))
    table.add_row("alerts without a rupture", *(f"{rule.false_alerts}" for rule in rules))
    table.add_row("alerts per 100 sessions", *(f"{rate:.1f}" for rate in per_100))
    table.add_row(
        f"clients with an alert, of {truth.clients}", *(f"{rule.clients_alerted}" for rule in rules)
    )
    return table


def truth_sentence(truth: DetectionComparison) -> str:
    """Return what the table of alerts and ruptures shows, in one sentence."""
    rapport, vendor = truth.rapport, truth.vendor
    return (
        f"In short: {_right(rapport)} of Rapport's alerts and {_right(vendor)} of the vendor rule's are"
        f" at a simulated rupture; the vendor rule alerts {vendor.alerts} times instead of {rapport.alerts}"
        f" and meets {vendor.detected} of {truth.ruptures} ruptures instead of {rapport.detected}; a rupture"
        " that leaves the marks as usual is found by neither."
    )


def _right(rule: DetectionFigures) -> str:
    if not rule.alerts:
        return "none"
    return f"about {round(10 * (rule.alerts - rule.false_alerts) / rule.alerts)} of 10"


def _delay(rule: DetectionFigures) -> str:
    return "-" if rule.median_sessions_to_alert is None else f"{rule.median_sessions_to_alert:g}"


def _without_token(mail: str) -> str:
    # The token is used up, but a terminal's history should not keep one all the same.
    return re.sub(r"token=\S+", "token=…", mail.strip())
