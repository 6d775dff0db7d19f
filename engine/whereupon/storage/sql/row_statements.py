"""Statements about whole rows, made of the lists of columns in `tables`.

The parameters of an insert or upsert are the row's columns in order; those of a delete are its key; those
of an update are the columns that it changes, then the key.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from sqlalchemy import Table

from whereupon.storage.sql.dialects import Database, Statement
from whereupon.storage.sql.open_skip_tables import OpenSkipRow
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
    ErasedRow,
    IdentifierRow,
    InboxRow,
    MergeRow,
    MessageRow,
    MetaRow,
    ObjectRow,
    PauseRow,
    PersonRow,
    RelationshipRow,
    ReportRow,
    RequestRow,
    RuleVersionRow,
    SetAsideRow,
    SkipsRow,
    SuppressedRow,
    TombstoneRow,
    table_of,
)
from whereupon.storage.sql.time_skip_tables import TimeSkipRow
from whereupon.storage.sql.timer_tables import ArmingRow, TimerRow

_Make: TypeAlias = Callable[[Database], Statement]


def _insert(table: Table) -> str:
    columns = [column.name for column in table.c]
    bound = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table.name} ({_quoted(columns)}) VALUES ({bound})"  # noqa: S608 - our own names


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


def _adds(row: type[Base]) -> _Make:
    """Insert a row that is new."""
    table = table_of(row)
    return lambda database: database.insert(table, _insert(table))


def _puts(row: type[Base]) -> _Make:
    """Insert a row, or change the one with its key."""
    table = table_of(row)
    keys = [column.name for column in table.primary_key]
    changed = [f'"{c.name}" = excluded."{c.name}"' for c in table.c if c.name not in keys]
    action = f"UPDATE SET {', '.join(changed)}" if changed else "NOTHING"
    otherwise = f"ON CONFLICT ({_quoted(keys)}) DO {action}"
    return lambda database: database.put(table, _insert(table), otherwise)


def _keeps(row: type[Base]) -> _Make:
    """Insert a row, unless there is one with its key."""
    table = table_of(row)
    keys = [column.name for column in table.primary_key]
    text = f"{_insert(table)} ON CONFLICT ({_quoted(keys)}) DO NOTHING"
    return lambda database: database.statement(text)


def _drops(row: type[Base]) -> _Make:
    """Delete a row by its key."""
    table = table_of(row)
    met = " AND ".join(f'"{column.name}" = :{column.name}' for column in table.primary_key)
    text = f"DELETE FROM {table.name} WHERE {met}"  # noqa: S608 - our own names
    return lambda database: database.statement(text)


def _changes(row: type[Base], *columns: str, only: str | None = None) -> _Make:
    """Change some columns of a row by its key.

    Args:
        row: the table.
        columns: those to change.
        only: the state that the row must have.
    """
    table = table_of(row)
    return lambda database: database.change(table, columns, only=only)


_END = ("ended_at", "end_reason", "end_detail", "end_message")
_JOURNEY = ("trail", "arms", "sent_at", "watched_until", "converted_at")
_CHANGED = ("digest", "person_key", "slot", "state", "address", "due_at", "facts", "operations")
_TAKEN = ("due_at", "state", "reason", "leased")
_TRIED = ("due_at", "state", "reason", "attempts", "leased")

ROW_STATEMENTS: Final[Mapping[str, _Make]] = MappingProxyType(
    {
        "add_message": _adds(MessageRow),
        "add_skips": _adds(SkipsRow),
        "add_identifier": _adds(IdentifierRow),
        "add_entry": _adds(EntryRow),
        "add_delivery": _adds(DeliveryRow),
        "add_audit_row": _adds(AuditRowRow),
        "put_person": _puts(PersonRow),
        "put_claim": _puts(ClaimRow),
        "put_claim_job": _puts(ClaimJobRow),
        "put_device": _puts(DeviceRow),
        "put_object": _puts(ObjectRow),
        "put_relationship": _puts(RelationshipRow),
        "put_tombstone": _puts(TombstoneRow),
        "put_report": _puts(ReportRow),
        "put_merge": _puts(MergeRow),
        "put_set_aside": _puts(SetAsideRow),
        "put_inbox_item": _puts(InboxRow),
        "put_answer": _puts(AnswerRow),
        "put_request": _puts(RequestRow),
        "put_approval": _puts(ApprovalRow),
        "put_breaker": _puts(BreakerRow),
        "put_channel": _puts(ChannelRow),
        "keep_object": _keeps(ObjectRow),
        "keep_channel": _keeps(ChannelRow),
        "put_api_key": _puts(ApiKeyRow),
        "put_api_secret": _puts(ApiSecretRow),
        "put_audit_head": _puts(AuditHeadRow),
        "put_mark": _puts(MetaRow),
        "keep_rule_version": _keeps(RuleVersionRow),
        "keep_suppressed": _keeps(SuppressedRow),
        "keep_erased": _keeps(ErasedRow),
        "drop_identifier": _drops(IdentifierRow),
        "drop_skips": _drops(SkipsRow),
        "drop_claim": _drops(ClaimRow),
        "drop_claim_job": _drops(ClaimJobRow),
        "drop_device": _drops(DeviceRow),
        "drop_object": _drops(ObjectRow),
        "drop_relationship": _drops(RelationshipRow),
        "drop_tombstone": _drops(TombstoneRow),
        "drop_inbox_item": _drops(InboxRow),
        "drop_answer": _drops(AnswerRow),
        "drop_suppressed": _drops(SuppressedRow),
        "drop_api_secret": _drops(ApiSecretRow),
        "drop_set_aside": _drops(SetAsideRow),
        "change_owner": _changes(MessageRow, "owner"),
        # Every column that is mentioned costs its indexes, changed or not.
        "step_entry": _changes(EntryRow, "state", "address", "due_at", "trail"),
        "end_entry": _changes(EntryRow, "state", "address", "due_at", *_END),
        "mark_entry": _changes(EntryRow, "state", "address", "due_at", *_END, *_JOURNEY),
        "free_entry": _changes(EntryRow, "slot", "state", "address", "due_at", *_END, *_JOURNEY),
        "change_entry": _changes(EntryRow, *_CHANGED, *_END, *_JOURNEY),
        "lease_delivery": _changes(DeliveryRow, "due_at", "leased"),
        "take_held_delivery": _changes(DeliveryRow, *_TAKEN, only="held"),
        "note_result": _changes(DeliveryRow, "result"),
        "note_address": _changes(DeliveryRow, "address"),
        "hold_delivery": _changes(DeliveryRow, "state", "reason", only="pending"),
        "revive_delivery": _changes(DeliveryRow, *_TRIED, only="dead"),
        "settle_delivery": _changes(DeliveryRow, *_TRIED, only="pending"),
        "settle_paused_delivery": _changes(DeliveryRow, *_TRIED, only="paused"),
        "settle_withheld_delivery": _changes(DeliveryRow, *_TRIED, only="withheld"),
        "end_withheld_call": _changes(DeliveryRow, "leased", only="withheld"),
        "put_pause": _puts(PauseRow),
        "put_open_skip": _puts(OpenSkipRow),
        "drop_open_skip": _drops(OpenSkipRow),
        "put_timer": _puts(TimerRow),
        "drop_timer": _drops(TimerRow),
        "put_arming": _puts(ArmingRow),
        "drop_arming": _drops(ArmingRow),
        "add_time_skip": _adds(TimeSkipRow),
    }
)
"""The statements by name."""
