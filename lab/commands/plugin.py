"""Adds the lab's commands to `rapport`: simulate, train, train-network, evaluate, compare, messages, models
reference and models precision.

The command modules import what they need when they run, so that `rapport` starts without scikit-learn.
"""

import typer

from lab.commands.compare import compare
from lab.commands.evaluate import evaluate
from lab.commands.messages import messages
from lab.commands.precision import precision
from lab.commands.reference import reference
from lab.commands.simulate import simulate
from lab.commands.train import train
from lab.commands.train_network import train_network
from services.runtime.process.cli_plugin import Plugin, subcommands


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (simulate, train, evaluate, compare, messages):
        app.command(command.__name__)(command)
    app.command("train-network")(train_network)
    models = subcommands(app, "models", "Which model scores which practice.")
    models.command("reference")(reference)
    models.command("precision")(precision)


plugin = Plugin(name="lab", register=register)
