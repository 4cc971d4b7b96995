"""Makes the FHIR Observation of an assessment."""

from typing import Any

from schemas.components import Component
from schemas.events import Status
from schemas.fhir import names
from schemas.fhir.coded import client, concept, named, own_concept, therapist
from schemas.ids import Dyad, DyadId, RatingIdentity, observation_id
from services.detector.contracts import Assessed, Finding

_CATEGORY = concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey")
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_UNIT = {"unit": "1", "system": "http://unitsofmeasure.org", "code": "1"}
RISK = "alliance-risk"
_TITLE = "Estimated probability that the alliance has deteriorated"
_NOTE = "Computed from the client's ratings: a reason to look, not a finding. It is no diagnosis."
_EARLY = " With fewer than three ratings, the client's usual level is not known yet."


def observation_of(dyad: DyadId, who: Dyad, identity: RatingIdentity, assessed: Assessed) -> dict[str, Any]:
    """Return the Observation of an assessment; marks are in the instrument's unit.

    `dyad` stays the same when somebody gets another reference.
    """
    observation: dict[str, Any] = {
        "resourceType": "Observation",
        "id": str(observation_id(dyad, identity.session_id, identity.instrument)),
        "meta": {"versionId": str(assessed.revision)},
        "extension": [
            {"url": names.THERAPIST_EXTENSION, "valueReference": therapist(who.therapist_id)},
        ],
        "identifier": [{"system": names.ASSESSMENT, "value": assessed.rating_id}],
        "status": _status(assessed),
        "category": [_CATEGORY],
        "code": own_concept(RISK, _TITLE),
        "subject": client(who.client_id),
        "encounter": named("Encounter", names.SESSION, identity.session_id),
        "effectiveDateTime": assessed.session_at.isoformat(),
        "method": {"text": f"Model {assessed.model_version}, threshold {assessed.threshold_version}"},
        "derivedFrom": [named("QuestionnaireResponse", names.RATING, assessed.rating_id)],
        "note": [{"text": _NOTE + (_EARLY if assessed.early else "")}],
    }
    if assessed.risk is None:
        observation["dataAbsentReason"] = concept(_ABSENT, "not-applicable")
    else:
        observation["valueQuantity"] = {"value": assessed.risk, **_UNIT}
    if assessed.threshold is not None:
        observation["referenceRange"] = [
            {
                "high": {"value": assessed.threshold, **_UNIT},
                "text": "From this value on, an episode opens or goes on.",
            }
        ]
    if assessed.components:
        observation["component"] = [
            part for name, found in assessed.components.items() for part in _components(name, found)
        ]
    return observation


def _status(assessed: Assessed) -> str:
    if assessed.status is Status.WITHDRAWN:
        return "entered-in-error"
    if assessed.status is Status.CANCELLED:
        return "cancelled"
    return "final" if assessed.revision == 1 else "amended"


def _components(name: Component, found: Finding) -> list[dict[str, Any]]:
    parts = [_component(f"{name}", f"{name} at this session", found.score)]
    if found.usual is not None:
        parts.append(_component(f"{name}-usual", f"{name}: this client's usual level", found.usual))
    return parts


def _component(code: str, display: str, mark: float | None) -> dict[str, Any]:
    value = (
        {"dataAbsentReason": concept(_ABSENT, "unknown")}
        if mark is None
        else {"valueQuantity": {"value": mark}}
    )
    return {"code": own_concept(code, display), **value}
