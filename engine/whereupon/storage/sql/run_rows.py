"""Rows and values of runs of broadcasts (see `rows`)."""

from typing import cast

from whereupon.messages.codec import decode, encode, object_text
from whereupon.messages.times import as_micros, from_micros
from whereupon.records import BroadcastRun, LetIn, Sweep
from whereupon.storage.sql.dialects import Parameters
from whereupon.storage.sql.rows import Record, instant_or_none, mapping, micros_or_none
from whereupon.storage.sql.rule_rows import operations_from, operations_text


def run_row(run: BroadcastRun) -> Parameters:
    """A broadcast run's row."""
    timestamp, due_at = as_micros(run.timestamp), as_micros(run.due_at)
    facts = object_text(run.facts)
    head = (run.rule, run.occasion, run.digest, timestamp, due_at)
    made = (run.cursor, facts, run.depth, run.message_key, run.admitted)
    operated = (run.reason, run.sweep, operations_text(run.operations))
    own = _let_in_text(run.let_in), micros_or_none(run.closes_at)
    return (*head, *made, *operated, *own)


def operated_run_row(run: BroadcastRun) -> Parameters:
    """What an operator changes of a run, then its key."""
    changed = (run.cursor, run.reason, run.sweep, operations_text(run.operations))
    return (*changed, run.rule, run.occasion)


def run_from(row: Record) -> BroadcastRun:
    """A broadcast run."""
    rule, occasion, digest, timestamp, due_at, cursor, facts, *rest = row
    depth, message_key, admitted, reason, sweep, operations, let_in, closes_at = rest
    return BroadcastRun(
        rule=rule,
        digest=digest,
        occasion=occasion,
        timestamp=from_micros(timestamp),
        due_at=from_micros(due_at),
        cursor=cursor,
        facts=mapping(facts),
        depth=depth,
        message_key=message_key,
        admitted=admitted,
        reason=reason,
        sweep=None if sweep is None else Sweep(sweep),
        operations=operations_from(operations),
        let_in=_let_in_from(let_in),
        closes_at=instant_or_none(closes_at),
    )


def _let_in_text(let_in: tuple[LetIn, ...]) -> str | None:
    if not let_in:
        return None
    return encode([[as_micros(at), people] for at, people in let_in]).decode()


def _let_in_from(written: str | None) -> tuple[LetIn, ...]:
    if written is None:
        return ()
    parts = cast("list[list[int]]", decode(written))
    return tuple(LetIn(from_micros(at), people) for at, people in parts)
