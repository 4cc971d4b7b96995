"""The errors of tables that cannot be read as ratings.

ValueError
└── UnusableTable: the table is broken, or is none
    └── UnclearTable: what a part of it means must be told
"""


class UnusableTable(ValueError):
    """The table cannot be read as ratings; the message tells the reader what to do."""


class UnclearTable(UnusableTable):
    """What a part of the table means must be told; the message names the option of `rapport try` for it."""
