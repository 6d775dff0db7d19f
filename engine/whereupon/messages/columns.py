"""Columns of a batch: the values of one field, message by message."""

from collections.abc import Sequence


def is_uniform(column: Sequence[object]) -> bool:
    """Whether all values of a column are equal; they are of one type, and there is at least one.

    One object throughout, as the time of arrival is, is found so without comparing it.
    """
    first = column[0]
    return first == column[-1] and column.count(first) == len(column)
