"""The model's commands: simulate, train, evaluate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def _end(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    end = datetime.fromisoformat(text)
    if end.tzinfo is None:
        raise typer.BadParameter("give the end with its time zone, such as 2026-11-20T18:00+00:00")
    return end.astimezone(UTC)


def simulate(
    *,
    ratings: Annotated[Path, typer.Option(help="Where to write the ratings, one JSON object a line.")],
    truth: Annotated[Path | None, typer.Option(help="Where to write which ruptures were planted.")] = None,
    practices: Annotated[int, typer.Option(min=1, help="Practices in the network.")] = 3,
    therapists: Annotated[int, typer.Option(min=1, help="Therapists, over all practices.")] = 25,
    clients: Annotated[int, typer.Option(min=1, help="Clients, over all practices.")] = 200,
    sessions: Annotated[int, typer.Option(min=1, max=200, help="Weekly sessions per client.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed and end give the same files.")] = 1,
    end: Annotated[str | None, typer.Option(help="Moment of the last sending; now when left out.")] = None,
) -> None:
    """Write the ratings of a simulated practice network, and the truth about it.

    The ratings stand in sending order, with late, doubled, corrected, declined, withdrawn and a few invalid
    ones among them. Send them with: rapport send FILE
    """
    from services.detector.model.network import Sizes
    from services.detector.model.simulate_command import write

    sizes = Sizes(practices, therapists, clients, sessions)
    courses, sendings = write(sizes, seed, _end(end), ratings, truth)
    refused = sum(not sending.accepted for sending in sendings)
    planted = sum(len(course.ruptures) for course in courses)
    print(
        f"{len(sendings)} ratings of {len(courses)} clients written to {ratings}: "
        f"{len(sendings) - refused} to be accepted, {refused} to be refused; {planted} ruptures planted."
    )


def register(app: typer.Typer) -> None:
    """Add the model's commands to the command line."""
    app.command("simulate")(simulate)
