"""Reading whole tables, and a person's part of them, as records."""

from collections.abc import Callable
from typing import NamedTuple

import whereupon.records as records
import whereupon.storage.sql.api_key_rows as api_key_rows
import whereupon.storage.sql.request_rows as ledger_rows
import whereupon.storage.sql.rows as rows
import whereupon.storage.sql.rule_rows as rule_rows
import whereupon.storage.sql.run_rows as run_rows
from whereupon.storage.sql.open_skip_rows import open_skip_from
from whereupon.storage.sql.open_skip_tables import OpenSkipRow
from whereupon.storage.sql.rows import Record
from whereupon.storage.sql.tables import (
    AnswerRow,
    ApiKeyRow,
    ApiSecretRow,
    ApprovalRow,
    AuditHeadRow,
    AuditRowRow,
    Base,
    BreakerRow,
    ChannelRow,
    ClaimJobRow,
    ClaimRow,
    DeliveryRow,
    DeviceRow,
    EntryRow,
    IdentifierRow,
    InboxRow,
    MergeRow,
    MessageRow,
    ObjectRow,
    PauseRow,
    PersonRow,
    RelationshipRow,
    ReportRow,
    RequestRow,
    RunRow,
    SetAsideRow,
    SuppressedRow,
    TombstoneRow,
)
from whereupon.storage.sql.time_skip_rows import time_skip_from
from whereupon.storage.sql.time_skip_tables import TimeSkipRow
from whereupon.storage.sql.timer_rows import arming_from, timer_from
from whereupon.storage.sql.timer_tables import ArmingRow, TimerRow


class Scanned(NamedTuple):
    """Where the records of a kind are.

    Attributes:
        table: the table.
        made: makes a record of a row.
        owner: the column that says whose it is.
    """

    table: type[Base]
    made: Callable[[Record], object]
    owner: str = ""

    @property
    def name(self) -> str:
        """The table's."""
        return str(self.table.__tablename__)


SCANNED: dict[type, Scanned] = {
    records.StoredMessage: Scanned(MessageRow, rows.message_from, "owner"),
    records.OpenSkip: Scanned(OpenSkipRow, open_skip_from, "person_key"),
    records.Timer: Scanned(TimerRow, timer_from, "person_key"),
    records.Arming: Scanned(ArmingRow, arming_from),
    records.TimeSkip: Scanned(TimeSkipRow, time_skip_from, "person_key"),
    records.Identifier: Scanned(IdentifierRow, rows.identifier_from, "key"),
    records.Person: Scanned(PersonRow, rows.person_from, "key"),
    records.ClaimRun: Scanned(ClaimRow, rows.claim_from, "person_key"),
    records.ClaimJob: Scanned(ClaimJobRow, rows.claim_job_from, "person_key"),
    records.Entry: Scanned(EntryRow, rule_rows.entry_from, "person_key"),
    records.Delivery: Scanned(DeliveryRow, rule_rows.delivery_from, "person_key"),
    records.KeptAnswer: Scanned(AnswerRow, ledger_rows.answer_from),
    records.InboxItem: Scanned(InboxRow, rule_rows.inbox_item_from, "person_key"),
    records.BroadcastRun: Scanned(RunRow, run_rows.run_from),
    records.RulePause: Scanned(PauseRow, rule_rows.pause_from),
    records.Request: Scanned(RequestRow, ledger_rows.request_from),
    records.Approval: Scanned(ApprovalRow, ledger_rows.approval_from),
    records.ChannelState: Scanned(ChannelRow, rows.channel_from),
    records.Breaker: Scanned(BreakerRow, ledger_rows.breaker_from),
    records.AuditRow: Scanned(AuditRowRow, ledger_rows.audit_from),
    records.AuditHead: Scanned(AuditHeadRow, ledger_rows.head_from),
    records.Device: Scanned(DeviceRow, ledger_rows.device_from, "person_key"),
    records.ObjectRecord: Scanned(ObjectRow, rows.object_from),
    records.Relationship: Scanned(RelationshipRow, rows.relationship_from, "person_key"),
    records.Merge: Scanned(MergeRow, rows.merge_from, "survivor_key"),
    records.SetAside: Scanned(SetAsideRow, rows.set_aside_from),
    records.MetricReport: Scanned(ReportRow, rows.report_from),
    records.ApiKey: Scanned(ApiKeyRow, api_key_rows.api_key_from),
    records.ApiSecret: Scanned(ApiSecretRow, api_key_rows.api_secret_from),
    records.SuppressedAddress: Scanned(SuppressedRow, rows.suppressed_from),
    records.Tombstone: Scanned(TombstoneRow, rows.tombstone_from),
}
"""Every kind of record that `Reads.scan` knows and that is one table's; `Skips` are of two."""
