"""What messages skipped: the rule lists that their rows name, and the records of their skips."""

from sqlalchemy import Connection

from whereupon.messages.times import from_micros
from whereupon.records import SkippedList, Skips
from whereupon.storage.sql.queries import Queries
from whereupon.storage.sql.rows import Record
from whereupon.storage.sql.rule_rows import skips_from


def every_skips(connection: Connection, queries: Queries, person_key: int | None) -> list[Skips]:
    """Those of a person's messages; None for those of all messages."""
    if person_key is None:
        return list(map(met_from, queries.every_skips.fetch(connection)))
    found = queries.skips_of.fetch(connection, person=person_key)
    return [met_from(row[1:]) for row in found]


def met_from(row: Record) -> Skips:
    """All skips of a message: what its row says, and the record of its skips."""
    key, owner, received_at, revision, kind, *record = row
    others = skips_from((key, *record), person_key=owner) if record[0] is not None else None
    if revision is None:
        assert others is not None  # noqa: S101 - the statements give no other rows
        return others
    return SkippedList(revision, kind or None).skips(key, owner, from_micros(received_at), others)
