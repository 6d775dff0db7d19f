"""The audit log's chain: how records are sealed into it, and how a broken chain is detected.

A row's hash is HMAC-SHA256, under the host's key, of its sequence number, the previous row's hash and its record.
The head (the last row's number and hash) is sealed the same way; it can be exported and kept elsewhere. Detected are:

- a row that was edited, removed, moved or filed under another request: always, with its place;
- rows that were removed at the end: by the head in the store. If an older head was put back as well, only a head
  that was kept elsewhere shows it;
- a chain that was rewritten from some row on: always, if the writer lacks the host's key. Without any key only a head
  that was kept elsewhere shows it, since everybody can then compute the hashes.

The module is pure; it reads no store.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from whereupon.messages.codec import encode_canonically
from whereupon.messages.times import format_instant
from whereupon.records import AuditHead, AuditRecord, AuditRow

GENESIS = "0" * 64
"""The previous hash of the first row."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place where the chain is broken."""

    sequence: int
    code: str
    message: str


def seal(
    head: AuditHead | None, records: Sequence[AuditRecord], key: bytes
) -> tuple[list[AuditRow], AuditHead]:
    """Records as the chain's next rows, and its new head."""
    sequence, previous = (head.sequence, head.hash) if head else (0, GENESIS)
    rows: list[AuditRow] = []
    for record in records:
        sequence += 1
        facts = {"at": format_instant(record.at), "request": record.request, **record.facts}
        text = encode_canonically(facts).decode()
        row = AuditRow(sequence, previous, text, _row_hash(key, sequence, previous, text))
        rows.append(row)
        previous = row.hash
    return rows, head_of(sequence, previous, key)


def head_of(sequence: int, row_hash: str, key: bytes) -> AuditHead:
    """A head, sealed."""
    return AuditHead(sequence, row_hash, _mac(key, f"head\n{sequence}\n{row_hash}"))


def verify(
    rows: Iterable[AuditRow],
    head: AuditHead | None,
    keys: Sequence[bytes],
    *,
    kept: tuple[int, str] | None = None,
) -> Iterator[Flaw]:
    """Every place where the chain is broken.

    Args:
        rows: the whole log, in its stored order.
        head: the head in the store.
        keys: the host's key, and former ones.
        kept: a head that was kept elsewhere: its sequence number and hash.
    """
    last, previous, met = 0, GENESIS, kept is None
    for row in rows:
        yield from _flaws_of(row, last, previous, keys)
        last, previous = max(last, row.sequence), row.hash
        if kept is not None and row.sequence == kept[0]:
            met = True
            if row.hash != kept[1]:
                text = "the log is not the one whose head was kept: it was written anew before here"
                yield Flaw(row.sequence, "other-log", text)
    yield from _flaws_of_end(last, previous, head, keys)
    if not met and kept is not None:
        text = (
            f"the log ended with row {kept[0]} when its head was kept; now it ends with row {last}"
        )
        yield Flaw(last + 1, "rows-missing", text)


def _flaws_of(row: AuditRow, last: int, previous: str, keys: Sequence[bytes]) -> Iterator[Flaw]:
    if row.sequence <= last:
        yield Flaw(row.sequence, "out-of-order", f"row {row.sequence} lies behind row {last}")
    elif row.sequence > last + 1:
        missing = (
            f"row {last + 1}"
            if row.sequence == last + 2
            else f"rows {last + 1} to {row.sequence - 1}"
        )
        yield Flaw(last + 1, "rows-missing", f"{missing} missing before row {row.sequence}")
    elif row.previous != previous:
        text = f"row {row.sequence} does not follow the row before it, which is another than it was"
        yield Flaw(row.sequence, "out-of-order", text)
    hashes = (_row_hash(key, row.sequence, row.previous, row.record) for key in keys)
    if row.hash not in hashes:
        text = f"row {row.sequence} is not as it was written (or was written under another key)"
        yield Flaw(row.sequence, "edited", text)
    elif row.filed is not None and row.filed != (about := row.request):
        text = f"row {row.sequence} is about request {about}, and is filed under {row.filed}"
        yield Flaw(row.sequence, "misfiled", text)


def _flaws_of_end(
    last: int, previous: str, head: AuditHead | None, keys: Sequence[bytes]
) -> Iterator[Flaw]:
    if head is None:
        if last:
            yield Flaw(last, "head-missing", "the log's head is missing: rows may be, too")
        return
    if all(head_of(head.sequence, head.hash, key) != head for key in keys):
        yield Flaw(head.sequence, "head-edited", "the log's head is not as it was written")
    if head.sequence > last:
        text = f"the log ends with row {last}, and its head says row {head.sequence}"
        yield Flaw(last + 1, "rows-missing", text)
    elif head.sequence < last or head.hash != previous:
        text = f"the log's head is of row {head.sequence}, and is not that of its last row"
        yield Flaw(head.sequence, "head-edited", text)


def _row_hash(key: bytes, sequence: int, previous: str, record: str) -> str:
    return _mac(key, f"{sequence}\n{previous}\n{record}")


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
