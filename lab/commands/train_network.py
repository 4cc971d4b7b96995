"""The command `rapport train-network`: trains the recurrent network and keeps its arrays."""

from pathlib import Path
from typing import Annotated

import typer


def train_network(
    *,
    out: Annotated[
        Path | None, typer.Option(help="The folder for the arrays; by default the one `rapport train` reads.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of one round; by default the recipe's rounds.")
    ] = None,
) -> None:
    """Train the network on fresh simulated worlds; needs JAX and optax (pip install "./lab[network]").

    `rapport train` then reads the kept arrays; it needs neither.
    """
    from lab.network.kept import KEPT, keep
    from services.runtime.process.progress_bar import progress_bars

    try:
        from lab.network.fit import NetworkPlan, Round, fit_network
    except ModuleNotFoundError as error:
        typer.secho(f'{error.name} is not installed: pip install "./lab[network]"', err=True, fg="red")
        raise typer.Exit(1) from None

    plan = NetworkPlan() if steps is None else NetworkPlan(rounds=(Round(100, steps, 3e-3),))
    with progress_bars() as progress:
        arrays, log_loss = fit_network(plan, progress)
    recipe = keep(out or KEPT, arrays, plan, log_loss)
    typer.echo(f"Network {recipe.sha256[:16]} written to {out or KEPT}; log loss {log_loss:.4f}.")
