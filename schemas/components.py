"""Defines the components of the alliance."""

from enum import StrEnum


class Component(StrEnum):
    """The components of the alliance; `overall` is an instrument's global mark, where it has one."""

    BOND = "bond"
    GOAL = "goal"
    TASK = "task"
    OVERALL = "overall"
