"""A QuestionnaireResponse is read as the rating that it means, or refused with the element that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.fhir.bundle import open_bundle
from schemas.fhir.names import CASE_EXTENSION, NEXT_SESSION_EXTENSION, SESSION_AT_EXTENSION
from schemas.fhir.response_rating import ResponseRating, decode_response, read_response
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.definition import InvalidDefinition
from schemas.validation_errors import InvalidInput
from tests.support.fhir_resources import (
    answered,
    bundle,
    encounter,
    faults,
    read,
    response,
    therapist_extension,
)

CATALOGUE = Catalogue.load()
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
OWN = """
extends = "srs"

[[fhir]]
questionnaire = ["https://practice.test/Questionnaire/session"]
link_ids = ["relationship", "goals", "approach", "overall"]
ignored = ["total", "remark"]

[fhir.codes]
"low" = 2
"urn:practice:marks|high" = 9.5

[[fhir]]
questionnaire = ["https://practice.test/Questionnaire/sums"]
scores = {bond = "b", goal = "g", task = "t"}
"""


def own_catalogue(folder: Path, text: str = OWN) -> Catalogue:
    """The shipped instruments, and a practice's own questionnaires for one of them."""
    (folder / "own.toml").write_text(text)
    return Catalogue.load(folder)


def first_of(sent: dict[str, Any]) -> ResponseRating:
    """The rating of the first response of a bundle."""
    opened = open_bundle(json.dumps(sent))
    entry = next(each for each in opened.entries if each.is_response)
    return read_response(decode_response(entry.resource), CATALOGUE, opened.along)


def test_a_completed_response_is_a_rating() -> None:
    assert read(response()).body == {
        "id": "r-1",
        "client_id": "c-7f3a91",
        "therapist_id": "t-12",
        "session_id": "s-1",
        "session_at": "2026-11-20T10:00:00+01:00",
        "recorded_at": "2026-11-20T10:00:00+01:00",
        "instrument": "srs",
        "items": [9.2, 8.8, 9.0, 9.1],
    }


def test_an_identifier_goes_before_an_address() -> None:
    subject = {"reference": "Patient/55", "identifier": {"value": "c-1"}}
    assert read(response(subject=subject)).body["client_id"] == "c-1"


@pytest.mark.parametrize(
    "address", ["Patient/c-1", "https://ehr.test/fhir/Patient/c-1", "Patient/c-1/_history/3"]
)
def test_an_address_gives_the_id_of_the_client(address: str) -> None:
    assert read(response(subject={"reference": address})).body["client_id"] == "c-1"


def test_without_an_identifier_the_id_of_the_resource_is_that_of_the_rating() -> None:
    assert read(response("identifier", id="77")).body["id"] == "77"
    assert "id" not in read(response("identifier")).body


def test_whole_numbers_and_unanswered_questions_are_read() -> None:
    items = answered({"valueInteger": 9}, None, {"valueDecimal": 8.5}, {"valueInteger": 0})
    assert read(response(item=items)).body["items"] == [9.0, None, 8.5, 0.0]


def test_questions_in_groups_are_found() -> None:
    items = [{"linkId": "page", "item": response()["item"]}]
    assert read(response(item=items)).body["items"] == [9.2, 8.8, 9.0, 9.1]


def test_a_response_that_was_stopped_without_an_answer_is_declined() -> None:
    body = read(response("item", status="stopped")).body
    assert body["status"] == "declined"
    assert "items" not in body


def test_a_response_that_was_stopped_halfway_keeps_its_marks() -> None:
    items = answered({"valueInteger": 9}, {"valueInteger": 8}, {"valueInteger": 7}, None)
    assert read(response(item=items, status="stopped")).body["items"] == [9, 8, 7, None]


def test_a_response_entered_in_error_withdraws_the_rating() -> None:
    body = read(response(status="entered-in-error", meta={"lastUpdated": "2026-11-21T08:00:00Z"})).body
    assert (body["status"], body["recorded_at"]) == ("withdrawn", "2026-11-21T08:00:00Z")
    assert "items" not in body


def test_an_amended_response_is_newer_by_the_time_of_its_change() -> None:
    body = read(response(status="amended", meta={"lastUpdated": "2026-11-21T08:00:00Z"})).body
    assert body["recorded_at"] == "2026-11-21T08:00:00Z"
    assert "status" not in body


def test_the_encounter_of_the_bundle_gives_time_and_therapist() -> None:
    body = first_of(bundle(response("author"), encounter())).body
    assert (body["session_id"], body["session_at"]) == ("s-1", "2026-11-20T09:00:00+01:00")
    assert body["therapist_id"] == "t-99"


def test_an_address_that_holds_only_in_the_bundle_leads_to_the_identifier() -> None:
    patient = {
        "fullUrl": "urn:uuid:1",
        "resourceType": "Patient",
        "identifier": [{"value": "old"}, {"use": "official", "value": "c-9"}],
    }
    body = first_of(bundle(response(subject={"reference": "urn:uuid:1"}), patient)).body
    assert body["client_id"] == "c-9"


def test_extensions_name_therapist_times_and_case() -> None:
    extension = [
        therapist_extension("t-1"),
        {"url": SESSION_AT_EXTENSION, "valueDateTime": "2026-11-19T10:00:00Z"},
        {"url": NEXT_SESSION_EXTENSION, "valueDateTime": "2026-11-27T10:00:00Z"},
        {"url": CASE_EXTENSION, "valueReference": {"reference": "EpisodeOfCare/k-1"}},
    ]
    body = read(response(extension=extension)).body
    assert (body["therapist_id"], body["case_id"]) == ("t-1", "k-1")
    assert (body["session_at"], body["next_session_at"]) == ("2026-11-19T10:00:00Z", "2026-11-27T10:00:00Z")


def test_an_ordinal_is_the_mark_that_the_questionnaire_gives_the_answer() -> None:
    coding = {"system": "urn:x", "code": "a", "extension": [{"url": ORDINAL, "valueDecimal": 4}]}
    items = [{"linkId": str(number), "answer": [{"valueCoding": coding}]} for number in range(1, 13)]
    sent = response(item=items, questionnaire="urn:rapport:fhir:questionnaire:wai-sr")
    assert read(sent).body["items"] == [4.0] * 12


def test_codes_of_a_practices_own_questionnaire_are_marks(tmp_path: Path) -> None:
    items = [
        {"linkId": "relationship", "answer": [{"valueCoding": {"code": "low"}}]},
        {"linkId": "goals", "answer": [{"valueCoding": {"system": "urn:practice:marks", "code": "high"}}]},
        {"linkId": "approach", "answer": [{"valueDecimal": 7}]},
        {"linkId": "overall", "answer": [{"valueDecimal": 7}]},
        {"linkId": "total", "answer": [{"valueDecimal": 25.5}]},
        {"linkId": "remark", "answer": [{"valueString": "what the client wrote"}]},
    ]
    sent = response(item=items, questionnaire="https://practice.test/Questionnaire/session|2")
    assert read(sent, own_catalogue(tmp_path)).body["items"] == [2.0, 9.5, 7.0, 7.0]


def test_calculated_scores_are_read_where_the_questionnaire_carries_them(tmp_path: Path) -> None:
    items = [{"linkId": link, "answer": [{"valueDecimal": mark}]} for link, mark in zip("bgt", (9, 8.5, 7))]  # noqa: B905 - equal by eye
    sent = response(item=items, questionnaire="https://practice.test/Questionnaire/sums")
    assert read(sent, own_catalogue(tmp_path)).body["scores"] == {"bond": 9.0, "goal": 8.5, "task": 7.0}


def contained_questionnaire(*weights: float) -> dict[str, Any]:
    """A questionnaire that gives its four questions' answers these numbers."""
    options = [
        {
            "valueCoding": {"system": "urn:x", "code": f"a{number}"},
            "extension": [{"url": ORDINAL, "valueDecimal": weight}],
        }
        for number, weight in enumerate(weights)
    ]
    links = ("relationship", "goals", "approach", "overall")
    return {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "https://practice.test/Questionnaire/session",
        "status": "active",
        "item": [{"linkId": link, "type": "choice", "answerOption": options} for link in links],
    }


def by_contained(*weights: float) -> dict[str, Any]:
    """A response to such a questionnaire, with the second answer to each question."""
    items = [
        {"linkId": link, "answer": [{"valueCoding": {"system": "urn:x", "code": "a1"}}]}
        for link in ("relationship", "goals", "approach", "overall")
    ]
    return response(contained=[contained_questionnaire(*weights)], questionnaire="#q", item=items)


def test_a_questionnaire_that_came_along_gives_the_numbers_of_its_answers(tmp_path: Path) -> None:
    body = read(by_contained(0, 2.5, 10), own_catalogue(tmp_path)).body
    assert body["items"] == [2.5] * 4


def test_numbers_on_another_scale_than_the_instruments_are_refused(tmp_path: Path) -> None:
    (fault, *_) = faults(by_contained(0, 1, 4), own_catalogue(tmp_path))
    assert fault.message == "has a number whose scale is not known"


@pytest.mark.parametrize(
    ("sent", "field", "message"),
    [
        (response(status="in-progress"), "status", "is in-progress"),
        (response("status"), "status", "is missing or not one that Rapport reads"),
        (response("subject"), "subject", "is missing"),
        (response("encounter"), "encounter", "is missing"),
        (response("authored"), "authored", "is missing"),
        (response("questionnaire"), "questionnaire", "is missing"),
        (response(questionnaire="urn:other"), "questionnaire", "is not a questionnaire we know"),
        (response("author"), "author", "names no therapist"),
        (response(author={"reference": "Patient/c-7f3a91"}), "author", "names no therapist"),
        (response(subject={"reference": "Group/1"}), "subject", "refers to another kind of resource"),
        (response(subject={"reference": "urn:uuid:1"}), "subject", "refers to nothing that was sent along"),
        (response(source={"reference": "RelatedPerson/1"}), "source", "is somebody else than the client"),
        (response("item"), "item", "has no answer"),
        (
            response(status="amended"),
            "meta.lastUpdated",
            "is missing, and the response changes an earlier one",
        ),
        (
            response(status="entered-in-error"),
            "meta.lastUpdated",
            "is missing, and the response changes an earlier one",
        ),
        (
            response(modifierExtension=[{"url": "urn:x"}]),
            "modifierExtension",
            "is not known to Rapport and may change what is meant",
        ),
        (
            response(item=answered({"valueString": "9"})),
            "item[0].answer[0].valueString",
            "is text, and a mark is a number",
        ),
        (
            response(item=answered({"valueBoolean": True})),
            "item[0].answer[0].valueBoolean",
            "is a valueBoolean, which is no mark",
        ),
        (
            response(item=answered({"valueInteger": 9, "valueDecimal": 9})),
            "item[0].answer[0]",
            "has more than one value",
        ),
        (
            response(item=answered({"valueCoding": {"code": "good"}})),
            "item[0].answer[0].valueCoding",
            "is no known code",
        ),
        (
            response(item=[*response()["item"], {"linkId": "9", "answer": [{"valueInteger": 1}]}]),
            "item[4]",
            "answers a question that is not known",
        ),
        (
            response(item=[*response()["item"], {"linkId": "1", "answer": [{"valueInteger": 1}]}]),
            "item[4]",
            "has several answers",
        ),
        (
            response(item=[{"linkId": "1", "answer": [{"valueDecimal": "9"}]}]),
            "item[0].answer[0].valueDecimal",
            "has another type than in FHIR R4",
        ),
        (response(item={"linkId": "1"}), "item", "has another type than in FHIR R4"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_element(
    sent: dict[str, Any], field: str, message: str
) -> None:
    (fault,) = faults(sent)
    assert (fault.field, fault.message) == (f"QuestionnaireResponse.{field}", message)
    assert fault.expected


def test_every_fault_is_named_at_once() -> None:
    found = faults(response("subject", "encounter", status="in-progress"))
    assert [fault.field.rpartition(".")[2] for fault in found] == ["status", "subject", "encounter"]


def test_several_practitioners_of_a_session_do_not_name_the_therapist() -> None:
    both = [{"individual": {"reference": f"Practitioner/{name}"}} for name in ("a", "b")]
    with pytest.raises(InvalidInput, match="names several practitioners"):
        first_of(bundle(response(), encounter(participant=both)))


def test_a_mark_out_of_range_is_placed_at_its_question() -> None:
    found = read(response())
    placed = found.placed("items", "item 2 is out of range")
    assert placed == ("QuestionnaireResponse.item[1]", "is out of range")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('link_ids = ["relationship", ', "link_ids = [", "fhir.link_ids must name 4 link ids"),
        ('extends = "srs"', 'extends = "sra"', "there is no instrument sra"),
        ('ignored = ["total"', 'ignored = ["goals"', "names a link id more than once"),
        ("Questionnaire/sums", "Questionnaire/session", "is named more than once"),
        (', task = "t"}', "}", "must name the link ids of bond, goal and task"),
    ],
)
def test_a_wrong_table_of_a_questionnaire_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    with pytest.raises(InvalidDefinition, match=fault):
        own_catalogue(tmp_path, OWN.replace(old, new))


@pytest.mark.parametrize("kind", ["document", "message", None])
def test_a_bundle_of_another_type_is_refused(kind: str | None) -> None:
    with pytest.raises(InvalidInput, match=r"Bundle.type"):
        open_bundle(json.dumps(bundle(response()) | {"type": kind}))


def test_a_deletion_in_a_bundle_is_refused_and_says_how_to_withdraw() -> None:
    sent = bundle(response())
    sent["entry"][0]["request"]["method"] = "DELETE"
    (entry,) = open_bundle(json.dumps(sent)).entries
    assert entry.violations[0].expected == ("POST or PUT; send a response as entered-in-error to withdraw it")
