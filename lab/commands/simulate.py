"""The command `rapport simulate`: writes a simulated practice network to files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def simulate(
    *,
    ratings: Annotated[Path, typer.Option(help="Where to write the ratings, one JSON object a line.")],
    truth: Annotated[Path | None, typer.Option(help="Where to write the planted ruptures.")] = None,
    practices: Annotated[int, typer.Option(min=1, help="Practices in the network.")] = 3,
    therapists: Annotated[int, typer.Option(min=1, help="Therapists, over all practices.")] = 25,
    clients: Annotated[int, typer.Option(min=1, help="Clients, over all practices.")] = 200,
    sessions: Annotated[int, typer.Option(min=1, max=200, help="Weekly sessions per client.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed and end give the same files.")] = 1,
    end: Annotated[
        str | None, typer.Option(help="Time after which nothing is sent; the current time by default.")
    ] = None,
) -> None:
    """Write the ratings of a simulated practice network, and the ruptures planted in it.

    The ratings are in sending order. Some are late, repeated, corrected, declined or withdrawn, and a few are
    invalid. Send them with: rapport send FILE
    """
    from lab.simulator.network_files import write_network
    from lab.simulator.practice_network import SimulationSize

    size = SimulationSize(practices, therapists, clients, sessions)
    courses, submissions = write_network(size, seed, _end(end), ratings, truth)
    invalid = sum(not submission.accepted for submission in submissions)
    planted = sum(len(course.ruptures) for course in courses)
    print(
        f"{len(submissions)} ratings of {len(courses)} clients written to {ratings}: "
        f"{len(submissions) - invalid} to be accepted, {invalid} to be refused; {planted} ruptures planted."
    )


def _end(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    end = datetime.fromisoformat(text)
    if end.tzinfo is None:
        raise typer.BadParameter("give the end with its time zone, such as 2026-11-20T18:00+00:00")
    return end.astimezone(UTC)
