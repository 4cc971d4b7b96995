"""`rapport topics`: creates and checks the Kafka topics, and adopts a new cluster."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, TypeVar

import typer

T = TypeVar("T")
topics = typer.Typer(no_args_is_help=True, help="The Kafka topics: create them, check them, adopt a cluster.")


@topics.command()
def apply(
    replication: Annotated[
        int | None,
        typer.Option(help="Copies of each record (default: 3, or the number of brokers if there are fewer)."),
    ] = None,
) -> None:
    """Create missing topics, and set retention and replication safety. Repeating it is safe.

    It never deletes anything.

    Example:

      KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 rapport topics apply
    """
    from services.cli.admin import kafka_topics
    from services.cli.endpoints import find_endpoints

    kafka = find_endpoints().kafka
    if kafka.embedded:
        typer.echo("The embedded broker creates topics on first use, with 4 partitions: nothing to do.")
        return

    async def apply_topics() -> list[str]:
        async with kafka_topics.admin_client(kafka) as admin:
            return await kafka_topics.apply(admin, replication)

    for sentence in _run(apply_topics()) or ["All topics match the contracts."]:
        typer.echo(sentence)


@topics.command()
def check() -> None:
    """Compare the cluster's topics with the contracts. Exit code 1 and one sentence for each difference.

    Example:

      rapport topics check
    """
    from services.cli.admin import kafka_topics
    from services.cli.endpoints import find_endpoints

    kafka = find_endpoints().kafka

    async def describe() -> kafka_topics.Cluster:
        async with kafka_topics.admin_client(kafka) as admin:
            return await kafka_topics.describe_cluster(admin, configs=not kafka.embedded)

    cluster = _run(describe())
    differences = kafka_topics.differences(cluster, embedded=kafka.embedded)
    for sentence in differences:
        typer.secho(sentence, err=True, fg="red")
    if differences:
        raise typer.Exit(1)
    typer.echo(f"All topics of cluster {cluster.id} match the contracts.")


@topics.command(name="adopt-cluster")
def adopt_cluster(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Accept another Kafka cluster than the one whose positions are stored.

    The services halt when they meet another cluster, because its offsets refer to other records. After a
    move to a new cluster with empty topics: stop the services, run this command, and start them again. They
    read the new topics from the beginning; ratings that they already have change nothing.

    Example:

      rapport topics adopt-cluster
    """
    from services.cli.admin import kafka_topics
    from services.cli.admin.adopt_cluster import adopt
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    kafka = endpoints.kafka

    async def describe() -> kafka_topics.Cluster:
        async with kafka_topics.admin_client(kafka) as admin:
            return await kafka_topics.describe_cluster(admin, configs=False)

    cluster = _run(describe())
    if not yes:
        typer.confirm(f"Adopt cluster {cluster.id} at {kafka.bootstrap_servers}?", abort=True)
    for service in asyncio.run(adopt(endpoints.database, cluster.id)):
        typer.echo(f"{service} accepts cluster {cluster.id}")


def _run(work: Coroutine[None, None, T]) -> T:
    from aiokafka.errors import KafkaError

    try:
        return asyncio.run(work)
    except (KafkaError, OSError, TimeoutError) as error:
        typer.secho(f"Kafka does not answer ({type(error).__name__}). Is it running?", err=True, fg="red")
        raise typer.Exit(1) from None


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(topics, name="topics")
