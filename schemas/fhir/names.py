"""The names of Rapport's own that its FHIR resources use: URNs, because nobody else publishes them.

LOINC and SNOMED CT have no code for the Session Rating Scale or the Working Alliance Inventory.
"""

_BASE = "urn:rapport:fhir:"

MEDIA_TYPE = "application/fhir+json"
FHIR_VERSION = "4.0.1"

CODES = f"{_BASE}codes"
"""The code system of components, of the risk, and of what is told."""

CLIENT = f"{_BASE}client"
THERAPIST = f"{_BASE}therapist"
SESSION = f"{_BASE}session"
RATING = f"{_BASE}rating"
ASSESSMENT = f"{_BASE}assessment"
MESSAGE = f"{_BASE}message"
EPISODE = f"{_BASE}episode"
"""The systems of identifiers; their values are the practice's own references, or Rapport's ids."""

THERAPIST_EXTENSION = f"{_BASE}extension:therapist"
SESSION_AT_EXTENSION = f"{_BASE}extension:session-at"
NEXT_SESSION_EXTENSION = f"{_BASE}extension:next-session-at"
CASE_EXTENSION = f"{_BASE}extension:case"
"""What a response may say in an extension where its own elements do not."""

ORDINAL_EXTENSIONS = (
    "http://hl7.org/fhir/StructureDefinition/ordinalValue",
    "http://hl7.org/fhir/StructureDefinition/itemWeight",
)
"""The extensions with which a questionnaire gives an answer a number (Structured Data Capture)."""
