"""`rapport doctor`: checks the installation and says what to do about each problem."""

import asyncio

import typer


def doctor() -> None:
    """Check Kafka, topics, PostgreSQL, tables, services and keys. Exit code 1 if a check fails.

    It checks what `rapport up` runs, or what the environment names (KAFKA_…, DATABASE_…,
    RAPPORT_INGEST_URL, RAPPORT_RESULTS_URL, RAPPORT_NOTIFIER_URL).

    Example:

      rapport doctor
    """
    from rich.console import Console

    from services.cli.admin.diagnose import run_checks
    from services.cli.endpoints import find_endpoints
    from services.runtime.process.cli_plugin import CheckResult, Verdict

    endpoints = find_endpoints()

    async def collect() -> list[CheckResult]:
        return [result async for result in run_checks(endpoints)]

    results = asyncio.run(collect())
    colours = {Verdict.GOOD: "green", Verdict.NOTICE: "yellow", Verdict.BAD: "red"}
    console = Console(highlight=False, soft_wrap=True)
    for result in results:
        console.print(f"[{colours[result.verdict]}]{result.verdict:<7}[/] [bold]{result.name}[/]: ", end="")
        console.print(result.found, markup=False)
        if result.todo:
            console.print(f"        to do: {result.todo}", markup=False)
    if any(result.verdict is Verdict.BAD for result in results):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
