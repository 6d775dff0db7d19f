"""The columns of the rows of new entries and deliveries, in the order of their tables; a busy batch makes many."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

from whereupon.messages.codec import object_text
from whereupon.messages.metrics import as_bits
from whereupon.messages.structs import as_tuple
from whereupon.messages.times import all_as_micros, as_micros
from whereupon.records import Delivery, Entry, EntryEnd, Exemption, SendKind
from whereupon.storage.sql.rule_rows import operations_text, result_text, trail_text

Column: TypeAlias = Sequence[object]
_Value = TypeVar("_Value")
_MARKETING = SendKind.MARKETING  # an attribute of an enumeration is looked up slowly
_NO_END: Final = (None, None, None, None)


def entry_columns(entries: Sequence[Entry]) -> list[Column]:
    """The columns of entries' rows; of at least one entry."""
    columns = [*zip(*map(as_tuple, entries), strict=True)]
    timestamps, arrivals, retroactive, slots, states, addresses, due, facts = columns[6:14]
    depths, message_keys, sources, ends, operations, trails, arms, *passed = columns[14:]
    return [
        *columns[:6],
        all_as_micros(timestamps),
        all_as_micros(arrivals),
        [*map(int, retroactive)],
        slots,
        [*map(str, states)],
        _micros(due),
        [*map(object_text, facts)],
        depths,
        message_keys,
        [*map(str, sources)],
        *_end_columns(ends),
        _filled(operations, operations_text),
        addresses,
        _filled(trails, trail_text),
        arms,
        *map(_micros, passed),
    ]


def _end_columns(ends: Sequence[EntryEnd | None]) -> Sequence[Column]:
    """When entries ended, why, by what in words, by which message; nothing of those that run."""
    known = [_NO_END if each is None else as_tuple(each) for each in ends]
    reasons, instants, details, message_ids = zip(*known, strict=True)
    return _micros(instants), _given(reasons, str), details, message_ids


def delivery_columns(deliveries: Sequence[Delivery]) -> list[Column]:
    """The columns of deliveries' rows; of at least one delivery."""
    columns = [*zip(*map(as_tuple, deliveries), strict=True)]
    due, contents, recipients, states, reasons, attempts, occasions, kinds = columns[6:14]
    topics, reports, addresses, awaited_by, results, _, texts, exempt, leased = columns[14:]
    return [
        *columns[:6],
        all_as_micros(due),
        [*map(object_text, contents)],
        [*map(object_text, recipients)],
        [*map(str, states)],
        reasons,
        attempts,
        occasions,
        [None if kind is _MARKETING else str(kind) for kind in kinds],
        topics,
        [*map(as_bits, reports)] if any(reports) else [0] * len(reports),
        _given(addresses, bytes.hex),
        awaited_by,
        _given(results, result_text),
        texts,
        _filled(exempt, _exemptions_text),
        [1 if each else None for each in leased],
    ]


def _exemptions_text(exempt: Collection[Exemption]) -> str | None:
    return " ".join(sorted(exempt)) or None


def _micros(instants: Sequence[datetime | None]) -> Column:
    """The column of instants, of which some may not be given."""
    if None in instants:
        return _given(instants, as_micros)
    return all_as_micros(instants)  # type: ignore[arg-type]  # all are given


def _given(values: Sequence[_Value | None], write: Callable[[_Value], object]) -> Column:
    """The column of values of which some are not given; often none is."""
    if values.count(None) == len(values):
        return values
    return [None if each is None else write(each) for each in values]


def _filled(values: Sequence[_Value], write: Callable[[_Value], object]) -> Column:
    """The column of values that `write` gives None for if they are empty; often all are."""
    return [*map(write, values)] if any(values) else [None] * len(values)
