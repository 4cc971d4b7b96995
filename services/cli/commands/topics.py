"""`rapport topics`: creates and checks the topics and who may use them, and adopts a new cluster."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, TypeVar

import typer

from schemas.topic_rights import PRODUCER, ROLES, topic_rights

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


@topics.command()
def acls(
    principal: Annotated[
        list[str] | None,
        typer.Option(
            help="A role and its name at the broker, such as `ingest=User:CN=ingest`. Default: `User:ROLE`"
            " for ingest, detector, notifier and operator; `producer` is left out unless it is named."
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Compare with the cluster; change nothing.")] = False,
    add: Annotated[bool, typer.Option("--apply", help="Add to the cluster what is missing.")] = False,
) -> None:
    """Print who may do what with which topic and group, as options of Kafka's own `kafka-acls`.

    With --apply, it adds what the cluster lacks; it removes nothing. With --check, the exit code is 1 when
    something is missing, or when one of the principals may do more. Both sign in as somebody who may
    describe and alter the cluster, which none of the roles may.

    Examples:

      rapport topics acls

      rapport topics acls --check --principal ingest=User:CN=ingest
    """
    from services.cli.admin import kafka_acls, kafka_topics
    from services.cli.endpoints import find_endpoints

    wanted = kafka_acls.wanted_acls(topic_rights(), _principals(principal or []))
    if not (check or add):
        for acl in wanted:
            typer.echo(acl.command("add"))
        return
    kafka = find_endpoints().kafka

    async def compare() -> kafka_acls.AclDifferences:
        async with kafka_topics.admin_client(kafka) as admin:
            found = kafka_acls.compare(wanted, await kafka_acls.read_acls(admin))
            if add:
                await kafka_acls.add_acls(admin, found.missing)
            return found

    found = _run(compare())
    for acl in found.missing:
        typer.secho(f"{'added' if add else 'missing'}: {acl}", err=not add, fg=None if add else "red")
    for acl in found.surplus:
        typer.secho(f"more than needed: {acl}; kafka-acls {acl.command('remove')}", err=True, fg="red")
    if found.surplus or (found.missing and not add):
        raise typer.Exit(1)
    if not found.missing:
        typer.echo(f"All {len(wanted)} entries are there, and none beyond them.")


def _principals(given: list[str]) -> dict[str, str]:
    principals = {role: f"User:{role}" for role in ROLES}
    for one in given:
        role, _, name = one.partition("=")
        if role not in {*ROLES, PRODUCER} or not name.startswith("User:") or name == "User:*":
            roles = ", ".join((*ROLES, PRODUCER))
            raise typer.BadParameter(f"{one}: expected ROLE=User:NAME with one of the roles {roles}")
        principals[role] = name
    if len(set(principals.values())) < len(principals):
        raise typer.BadParameter("two roles have the same name: each needs a principal of its own")
    return principals


def _run(work: Coroutine[None, None, T]) -> T:
    from aiokafka.errors import (
        ClusterAuthorizationFailedError,
        KafkaError,
        SecurityDisabled,
        TopicAuthorizationFailedError,
    )

    try:
        return asyncio.run(work)
    except SecurityDisabled:
        sentence = "The broker has no lists of rights: set its authorizer.class.name."
    except (ClusterAuthorizationFailedError, TopicAuthorizationFailedError) as error:
        sentence = (
            f"Kafka refuses this ({type(error).__name__}): sign in as a principal that may do it"
            " (KAFKA_SASL_USERNAME); `rapport topics acls` prints who needs what."
        )
    except (KafkaError, OSError, TimeoutError) as error:
        sentence = (
            f"Kafka does not answer ({type(error).__name__}). Check KAFKA_BOOTSTRAP_SERVERS, the credentials"
            " beside it, and whether it runs: `rapport doctor`."
        )
    typer.secho(sentence, err=True, fg="red")
    raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(topics, name="topics")
