"""The steps in which something breaks: processes, the database, Kafka and its log, at any moment."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.detector.stream import pipeline
from services.runtime.process.kill_points import LABELS
from tests.support.whole_flow.history_machine import HistoryMachine, services
from tests.support.whole_flow.kafka_log import PARTITIONS
from tests.support.whole_flow.world import INPUTS

STAGES = {
    "detector": [stage.__name__ for stage in pipeline.STAGES],
    "notifier": ["route", "mute", "dedup", "inbox", "Send", "record"],
}


class FaultSteps(HistoryMachine):
    """What breaks, and is repaired."""

    @rule(service=services, data=st.data(), time=st.integers(1, 3))
    def crash(self, service: str, data: st.DataObject, time: int) -> None:
        """End a process at a label, before a stage, or in the middle of what it sends."""
        places = [f"{service} {name}" for name in (*LABELS, *STAGES[service])]
        place = data.draw(st.sampled_from((*places, "send")))
        self.world.made.crash.arm(place, time)
        self.run(self.world.read(service, 4))
        self.world.made.crash.disarm()

    @precondition(lambda self: self.is_up)
    @rule(place=st.sampled_from(("mail-before", "mail-after", "send")))
    def crash_while_it_works(self, place: str) -> None:
        """End the notifier around the acceptance of a mail, or the detector in its sweep."""
        self.world.made.crash.arm(place)
        self.run(self.world.deliver() if place.startswith("mail") else self.world.run_sweep())
        self.world.made.crash.disarm()

    @rule()
    def toggle_database(self) -> None:
        """Take the database away, or bring it back."""
        if self.is_up:
            self.run(self.world.note_read())
            self.world.database_down()
        else:
            self.run(self.world.database_up())

    @rule(records=st.sampled_from((0, 1, 3, None)))
    def stop_acknowledging(self, records: int | None) -> None:
        """Have Kafka acknowledge only some more records, or all again."""
        self.world.is_calm = False
        self.world.log.sends_left = records

    @rule(
        topic=st.sampled_from((*INPUTS["detector"], *INPUTS["notifier"])),
        partition=st.integers(0, PARTITIONS - 1), records=st.integers(1, 4),
    )  # fmt: skip
    def lose_the_end_of_a_log(self, topic: str, partition: int, records: int) -> None:
        """Have a partition lose its last records."""
        self.world.lose_end((topic, partition), records)

    @precondition(lambda self: self.is_up)
    @rule()
    def repair(self) -> None:
        """Run the repair command."""
        self.run(self.world.repair())
