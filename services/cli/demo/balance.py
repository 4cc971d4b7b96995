"""Reads the balances of several practices over HTTP and adds them up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from services.cli.client.api_client import ApiClient

OUTCOMES = ("assessed", "stored", "superseded", "duplicate", "blocked", "erased")


@dataclass(frozen=True, slots=True)
class NetworkBalance:
    """The counts of some practices at one moment, or how they changed between two moments."""

    deliveries: Counter[str] = field(default_factory=Counter)
    """By outcome; a rejected one as `rejected: reason`."""
    episodes: Counter[str] = field(default_factory=Counter)
    """`opened`, `told`, and `kept back: reason`."""
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By channel and state."""
    kept_back: Counter[str] = field(default_factory=Counter)
    """Changes of episodes that the notifier sent nowhere, by reason."""

    @property
    def delivered(self) -> int:
        """Number of accepted deliveries that have an outcome, or wait for a reason that is known."""
        return self.deliveries.total()

    def minus(self, before: Self) -> Self:
        """Return the change since `before`; a count that fell is negative."""
        return type(self)(*(_minus(getattr(self, name), getattr(before, name)) for name in self.__slots__))


def read_balance(client: ApiClient, practices: Iterable[str]) -> NetworkBalance:
    """Read and add up the current balances of these practices."""
    balance = NetworkBalance()
    for practice in practices:
        _add_results(balance, client.results_balance(practice))
        _add_messages(balance, client.message_balance(practice))
    return balance


def _add_results(balance: NetworkBalance, answer: Mapping[str, Any]) -> None:
    deliveries = answer["deliveries"]
    for outcome in OUTCOMES:
        balance.deliveries[outcome] += deliveries[outcome]
    for reason, count in deliveries["rejected"].items():
        balance.deliveries[f"rejected: {reason}"] += count
    episodes = answer["episodes"]
    balance.episodes["opened"] += episodes["opened"]
    balance.episodes["told"] += episodes["told"]
    for reason, count in episodes["kept_back"].items():
        balance.episodes[f"kept back: {reason}"] += count


def _add_messages(balance: NetworkBalance, answer: Mapping[str, Any]) -> None:
    for channel, states in answer["messages"].items():
        for state, count in states.items():
            balance.messages[channel, state] += count
    for reason, count in answer["kept_back"].items():
        balance.kept_back[reason] += count


def _minus(after: Counter[Any], before: Counter[Any]) -> Counter[Any]:
    return Counter({name: after[name] - before[name] for name in dict.fromkeys([*after, *before])})
