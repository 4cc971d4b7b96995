"""Knows by which names tables call a field, and how well the name of a column fits one."""

import re

from schemas.rating_tables.table import normalize

SCORES = ("bond", "goal", "task")
SYNONYMS: dict[str, tuple[str, ...]] = {
    "next_session_at": ("nextsession", "nextappointment", "naechstesitzung", "nachstesitzung", "nexttermin"),
    "recorded_at": ("recordedat", "modified", "updated", "lastchange", "geandert"),
    "session_at": (
        "sessionat", "date", "datum", "fecha", "data", "datetime", "timestamp", "zeitpunkt", "termin",
        "dateseance", "dateofsession", "dateofservice", "servicedate", "datumdersitzung", "fechasesion",
        "dataseduta", "beginn", "sessionstart", "sitzungam", "sitzungvom", "datestamp", "zeitstempel",
        "horodateur", "marcatemporal", "informazionicronologiche", "datumgesprek", "datumsessie",
        "fechadesesion", "fechadelasesion", "datedelaseance",
    ),
    "session_time": (
        "sessiontime", "time", "uhrzeit", "zeit", "heure", "hora", "ora", "tijd", "starttime", "startzeit",
        "timeofsession", "appointmenttime",
    ),
    "therapist_id": (
        "therapist", "therapeut", "behandler", "clinician", "counsellor", "counselor", "provider",
        "practitioner", "psychologist", "psychologe", "psychologue", "terapeuta", "terapeut", "behandelaar",
        "intervenant", "praticien",
    ),
    "case_id": (
        "caseid", "case", "fallid", "fallnr", "fallnummer", "fall", "treatment", "behandlung", "episode",
        "careepisode", "episodeofcare",
    ),
    "client_id": (
        "client", "patient", "klient", "paziente", "paciente", "cliente", "pat", "pid", "usager", "pseudonym",
        "chiffre", "dossier", "participant", "subject", "teilnehmer", "user", "mrn",
    ),
    "session_id": (
        "session", "sitzung", "seance", "sesion", "seduta", "sessie", "appointment", "encounter", "visit",
    ),
    "instrument": ("instrument", "questionnaire", "fragebogen", "measure", "scale", "skala", "cuestionario"),
    "status": ("status", "formstatus"),
    "practice_id": ("practice", "praxis", "clinic", "klinik", "standort", "site", "cabinet"),
    "id": ("ratingid", "ratinguuid"),
    "bond": ("bond", "bondscore", "bindung"),
    "goal": ("goal", "goalscore", "goals"),
    "task": ("task", "taskscore", "tasks"),
    "total": (),
}  # fmt: skip
_SUFFIXES = (
    "",
    "id",
    "no",
    "nr",
    "num",
    "number",
    "nummer",
    "code",
    "ref",
    "key",
    "uuid",
    "in",
    "en",
    "s",
    "e",
)
_NUMBER_IN_FRONT = re.compile(
    r"^(?:id|numero|nro|nr|no|num|n)(?=client|klient|patient|pacient|pazient|dossier|the|ter)"
)
"""`N° patient` and `ID client` say what `patient no` does."""
_OF_A_FORM = re.compile(r"^(?:waisr|wais|wai|srs)|(?:waisr|wais|wai|srs|score|subscale|scale|mean)$")
"""What stands before or after the name of a component, normalized, such as that of `WAI-SR Bond`."""
_DATE_SUFFIXES = ("date", "datum", "fecha", "time", "zeit")


_PERSONAL = (
    "name",
    "birth",
    "geburt",
    "dob",
    "mail",
    "phone",
    "telefon",
    "note",
    "comment",
    "bemerkung",
    "gender",
    "alter",
    "identifier",
)


def is_best(name: str, role: str, own: int) -> bool:
    """Return whether a name fits no other field better than `own`, its likeness to this one."""
    return all(likeness(name, other) <= own for other in SYNONYMS if other != role)


def likeness(name: str, role: str) -> int:
    """Return how well a name fits a role.

    3: the field's name or a synonym; 2: a synonym with an ending such as `id`; 1: begins with a synonym;
    0: it does not fit.
    """
    spelled = normalize(name)
    if spelled == normalize(role) or name == role:
        return 3
    if any(word in spelled for word in _PERSONAL):
        return 0
    spelled = _NUMBER_IN_FRONT.sub("", spelled) or spelled
    if not role.endswith(("_at", "_time")) and spelled.endswith(_DATE_SUFFIXES):
        return 0
    best = 0
    own = _OF_A_FORM.sub("", spelled)
    for stem in SYNONYMS[role]:
        if spelled == stem:
            return 3
        if role in SCORES and own == stem:
            best = 2
        if role == "session_at" and spelled.endswith(stem) and len(stem) > 3:
            best = max(best, 2)
        if role in SCORES or not spelled.startswith(stem):
            continue
        rest = spelled[len(stem) :]
        best = max(
            best, 2 if rest in _SUFFIXES or rest.removeprefix("en") in _SUFFIXES else (len(stem) > 4) * 1
        )
    return best
