"""The Python client has the bodies and the operations of the published documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import generate

from rapport_client import calls
from rapport_client.calls import Call, Service
from rapport_client.models.ingest import Rating
from rapport_client.models.notifier import NextSessionStatement, TherapistEntry
from tests.support.schemas.ratings import GOOD

BATCH = (Service.INGEST, "POST", "/v1/ratings/batch")
"""The one operation that is no call: a client's `send_batch` carries it out."""


def test_the_models_are_those_of_the_published_documents(tmp_path: Path) -> None:
    generate.generate(tmp_path)
    for module in generate.SERVICES.values():
        name = f"{module}.py"
        assert (tmp_path / name).read_text() == (generate.MODELS / name).read_text(), (
            f"{name}: run `make client`"
        )


def operations() -> Iterator[tuple[Service, str, str]]:
    for service, module in generate.SERVICES.items():
        for path, methods in generate.published(service)["paths"].items():
            for method in methods:
                yield Service(module), method.upper(), path


def test_every_published_operation_can_be_called_and_no_other() -> None:
    rating = Rating.model_validate(GOOD)
    entry = TherapistEntry(address="t@practice.example")
    statement = NextSessionStatement.model_validate({"therapist_id": "t", "at": None})
    every: list[Call[Any]] = [
        calls.send_rating(rating),
        calls.check_rating(rating),
        calls.instruments(),
        calls.rating_status("r"),
        calls.rejections(),
        calls.episodes(),
        calls.episode("e"),
        calls.balance(),
        calls.rename_client("c-1", "c-2"),
        calls.put_therapist("t", entry),
        calls.therapist("t"),
        calls.delete_therapist("t"),
        calls.put_next_session("c", statement),
        calls.notifications(),
        calls.message_balance(),
    ]
    called = {(call.service, call.method, call.path) for call in every}
    assert called | {BATCH} == set(operations())


def test_a_value_that_is_newer_than_the_client_is_read() -> None:
    from rapport_client.models.ingest import LineResult

    assert LineResult.model_validate({"line": 1, "status": "postponed"}).status == "postponed"


def test_an_id_is_one_part_of_the_path_whatever_it_holds() -> None:
    assert calls.rating_status("a/b?c").url == "/v1/ratings/a%2Fb%3Fc"


def test_the_readme_shows_the_example() -> None:
    folder = generate.HERE
    code = (folder / "examples" / "ten_lines.py").read_text().partition('"""\n\n')[2]
    assert f"```python\n{code}```" in (folder / "README.md").read_text()
