"""The balances of the published doors in, one book of numbers out, to be added up and compared."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from services.cli.client.api_client import Doors

OUTCOMES = ("assessed", "superseded", "duplicate")


@dataclass(frozen=True, slots=True)
class Book:
    """Some practices' numbers at one moment, or what changed between two."""

    deliveries: Counter[str] = field(default_factory=Counter)
    """By outcome; a rejected one as `rejected: reason`."""
    episodes: Counter[str] = field(default_factory=Counter)
    """`opened`, `told`, and `kept back: reason`."""
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By channel and state."""
    withheld: Counter[str] = field(default_factory=Counter)
    """Decisions of the notifier not to send, by reason."""

    @property
    def delivered(self) -> int:
        """How many accepted deliveries have an outcome."""
        return self.deliveries.total()

    def minus(self, before: Self) -> Self:
        """What changed since `before`; an outcome that moved on counts below zero."""
        return type(self)(*(_minus(getattr(self, name), getattr(before, name)) for name in self.__slots__))


def read_book(doors: Doors, practices: Iterable[str]) -> Book:
    """The practices' numbers as the doors give them now."""
    book = Book()
    for practice in practices:
        _add_results(book, doors.results_balance(practice))
        _add_messages(book, doors.message_balance(practice))
    return book


def _add_results(book: Book, answer: Mapping[str, Any]) -> None:
    deliveries = answer["deliveries"]
    for outcome in OUTCOMES:
        book.deliveries[outcome] += deliveries[outcome]
    for reason, count in deliveries["rejected"].items():
        book.deliveries[f"rejected: {reason}"] += count
    episodes = answer["episodes"]
    book.episodes["opened"] += episodes["opened"]
    book.episodes["told"] += episodes["told"]
    for reason, count in episodes["kept_back"].items():
        book.episodes[f"kept back: {reason}"] += count


def _add_messages(book: Book, answer: Mapping[str, Any]) -> None:
    for channel, states in answer["messages"].items():
        for state, count in states.items():
            book.messages[channel, state] += count
    for reason, count in answer["kept_back"].items():
        book.withheld[reason] += count


def _minus(now: Counter[Any], before: Counter[Any]) -> Counter[Any]:
    return Counter({name: now[name] - before[name] for name in dict.fromkeys([*now, *before])})
