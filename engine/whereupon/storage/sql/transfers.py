"""A new owner for inert messages: one statement for all of them, and one for the skips of each name."""

from sqlalchemy import Connection

import whereupon.storage.sql.rule_rows as rule_rows
from whereupon.messages.times import as_micros
from whereupon.records import Inert, MessageName, Skips, SkipSummary, Transfer
from whereupon.storage.sql.dialects import Database
from whereupon.storage.sql.message_names import MessageNames
from whereupon.storage.sql.queries import Queries


def inert_parameters(
    connection: Connection, database: Database, names: MessageNames, inert: Inert
) -> dict[str, object]:
    """The parameters of statements that tell inert messages."""
    numbers = names.find(connection, inert.names | inert.aged)
    return {
        "names": database.members([numbers[name] for name in inert.names if name in numbers]),
        "aged": database.members([numbers[name] for name in inert.aged if name in numbers]),
        "before": as_micros(inert.before),
    }


class ClaimTransfers:
    """One session's transfers."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        statements: Queries,
        names: MessageNames,
    ) -> None:
        self._connection = connection
        self._database = database
        self._statements = statements
        self._names = names

    def write(self, transfer: Transfer) -> None:
        """Write the skips of a transfer's messages, then their owner."""
        for name, summary in transfer.skips.items():
            self._skip(transfer, name, summary)
        self._statements.transfer_messages.run(
            self._connection,
            waiting=transfer.anonymous_key,
            claimant=transfer.person_key,
            since=as_micros(transfer.since),
            until=as_micros(transfer.until),
            **inert_parameters(self._connection, self._database, self._names, transfer.inert),
        )

    def _skip(self, transfer: Transfer, name: MessageName, summary: SkipSummary) -> None:
        number = self._names.find(self._connection, [name]).get(name)
        if number is None:
            return
        until = as_micros(transfer.until)
        if name in transfer.inert.aged:
            until = min(until, as_micros(transfer.inert.before) - 1)
        person, decided_at = transfer.person_key, transfer.decided_at
        skips = Skips(0, person, decided_at, retroactive=True, summaries=(summary,))
        ((_, claimed_at, _, said),) = zip(*rule_rows.skips_columns([skips]), strict=True)
        self._statements.transfer_skips.run(
            self._connection,
            waiting=transfer.anonymous_key,
            since=as_micros(transfer.since),
            until=until,
            name_number=number,
            claimed_at=claimed_at,
            said=said,
        )
