"""Writes one batch after another to PostgreSQL in a thread of its own, and notes how long each took."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg

Connection = psycopg.Connection[Any]


@dataclass
class BackgroundWriter(ABC):
    """Writes from the beginning of the block to its end, or until a batch fails; kinds of it say what."""

    url: str
    took_s: list[float] = field(default_factory=list, kw_only=True)
    error: BaseException | None = field(default=None, kw_only=True)
    """What ended it before the end of the block."""
    pause_s: float = field(default=0.0, kw_only=True)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with psycopg.connect(self.url) as conn:
                while not self._stop.wait(self.pause_s):
                    self.write(conn)
        except BaseException as error:
            self.error = error

    @abstractmethod
    def write(self, conn: Connection) -> None:
        """Write the next batch."""

    def run(self, conn: Connection, statements: Sequence[str], values: Mapping[str, object]) -> None:
        """Run the statements of a batch in a transaction, and note how long it took."""
        began = time.perf_counter()
        with conn.transaction():
            for statement in statements:
                conn.execute(statement.encode(), values)
        self.took_s.append(time.perf_counter() - began)

    def join(self, deadline_s: float) -> None:
        """Wait until it has ended by itself, this long at most."""
        self._thread.join(deadline_s)
