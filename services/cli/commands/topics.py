"""`rapport topics`: a cluster in, the topics as the contracts want them out."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, TypeVar

import typer

T = TypeVar("T")
topics = typer.Typer(no_args_is_help=True, help="The Kafka topics: create them, check them, adopt a cluster.")


@topics.command()
def apply(
    replication: Annotated[
        int | None, typer.Option(help="Copies of each record (default: 3, or as many as there are brokers).")
    ] = None,
) -> None:
    """Create what is missing, set retention and safety. Safe to repeat; never deletes anything.

    Example:

      KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 rapport topics apply
    """
    from services.cli.admin import kafka_topics
    from services.cli.endpoints import find_endpoints

    kafka = find_endpoints().kafka
    if kafka.embedded:
        typer.echo("The embedded broker makes topics on first use, with 4 partitions: nothing to do.")
        return

    async def work() -> list[str]:
        async with kafka_topics.admin_client(kafka) as admin:
            return await kafka_topics.apply(admin, replication)

    for sentence in _run(work()) or ["All topics are as they should be."]:
        typer.echo(sentence)


@topics.command()
def check() -> None:
    """Compare the cluster's topics with the contracts; exit code 1 and a sentence for each difference."""
    from services.cli.admin import kafka_topics
    from services.cli.endpoints import find_endpoints

    kafka = find_endpoints().kafka

    async def work() -> kafka_topics.Cluster:
        async with kafka_topics.admin_client(kafka) as admin:
            return await kafka_topics.describe_cluster(admin, configs=not kafka.embedded)

    cluster = _run(work())
    wrong = kafka_topics.differences(cluster, embedded=kafka.embedded)
    for sentence in wrong:
        typer.secho(sentence, err=True, fg="red")
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"All topics of cluster {cluster.id} are as they should be.")


@topics.command(name="adopt-cluster")
def adopt_cluster(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Accept another Kafka cluster than the one whose positions are stored.

    Services halt when they meet another cluster, because its offsets mean other records. After a move to a
    new cluster whose topics start empty, stop the services, run this, and start them again: they read the
    new topics from the beginning, and what they know already changes nothing and tells nobody.
    """
    from services.cli.admin import kafka_topics
    from services.cli.admin.adopt_cluster import adopt
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    kafka = endpoints.kafka

    async def look() -> kafka_topics.Cluster:
        async with kafka_topics.admin_client(kafka) as admin:
            return await kafka_topics.describe_cluster(admin, configs=False)

    cluster = _run(look())
    if not yes:
        typer.confirm(f"Adopt cluster {cluster.id} at {kafka.bootstrap_servers}?", abort=True)
    for service in asyncio.run(adopt(endpoints.database, cluster.id)):
        typer.echo(f"{service} adopts cluster {cluster.id}")


def _run(work: Coroutine[None, None, T]) -> T:
    from aiokafka.errors import KafkaError

    try:
        return asyncio.run(work)
    except (KafkaError, OSError, TimeoutError) as error:
        typer.secho(f"Kafka cannot be asked: {type(error).__name__}. Is it running?", err=True, fg="red")
        raise typer.Exit(1) from None


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(topics, name="topics")
