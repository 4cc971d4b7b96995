"""States what ingest's FHIR routes can do."""

from functools import cache

import msgspec

from services.runtime.http.capability import capability_statement


@cache
def statement() -> bytes:
    """Return the CapabilityStatement of ingest, in JSON."""
    return msgspec.json.encode(
        capability_statement(
            "Rapport: send ratings",
            "Receives clients' ratings of therapy sessions. Nothing that was sent can be read here; the "
            "results have a FHIR address of their own.",
            resources=[
                {
                    "type": "QuestionnaireResponse",
                    "interaction": [
                        {
                            "code": "create",
                            "documentation": "202 means that the rating is stored durably; errors are "
                            "OperationOutcomes.",
                        }
                    ],
                }
            ],
            interactions=[
                {"code": "transaction", "documentation": "Refused as a whole when one entry is."},
                {"code": "batch", "documentation": "A collection is taken like a batch."},
            ],
        )
    )
