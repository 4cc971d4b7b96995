"""What therapist and client talked about says more than the answer before."""

from pathlib import Path

import pytest

from schemas.events import TalkedAbout
from services.detector.files.label_file import read_labels

TOPICS = {
    "": True,
    "goal": True,
    "method": True,
    "pace": True,
    "relationship": True,
    "outside": False,
    "nothing-changed": None,
    "not-talked-about": None,
}


def test_every_topic_is_in_the_table() -> None:
    assert TOPICS.keys() - {""} == set(TalkedAbout)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_decides_the_label_of_a_discussed_message(tmp_path: Path, topic: str) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"client_id,session_id,answer,topic\nc,s,discussed,{topic}\n")
    expected = [] if TOPICS[topic] is None else [TOPICS[topic]]
    assert [label.rupture for label in read_labels(file)] == expected


def test_a_topic_labels_what_was_only_meant_to_be_discussed(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("client_id,session_id,answer,topic\na,s,will-discuss,\nb,s,will-discuss,goal\n")
    assert [(label.client_id, label.rupture) for label in read_labels(file)] == [("b", True)]


def test_an_unknown_topic_is_named_by_its_row(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("client_id,session_id,answer,topic\nc,s,discussed,weather\n")
    with pytest.raises(ValueError, match="line 2: the topic"):
        read_labels(file)
