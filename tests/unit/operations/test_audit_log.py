"""The audit log: which manipulations are found."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.rule_files import guard
from tests.worlds import NOON, world

from whereupon.decide import Settings
from whereupon.engine import Engine
from whereupon.errors import StoreError, UnknownNameError
from whereupon.guards.audit_chain import GENESIS, head_of, seal, verify
from whereupon.records import AuditHead, AuditRecord, AuditRow
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

KEY = b"secret"


def chain(count: int = 5, key: bytes = KEY) -> tuple[list[AuditRow], AuditHead]:
    """A log of so many rows, sealed in two steps."""
    records = [
        AuditRecord(NOON + timedelta(minutes=n), n, {"kind": "judged"}) for n in range(1, count + 1)
    ]
    first, head = seal(None, records[:2], key)
    rest, head = seal(head, records[2:], key)
    return [*first, *rest], head


def flaws(
    rows: list[AuditRow], head: AuditHead | None, kept: tuple[int, str] | None = None
) -> list[tuple[int, str]]:
    """The flaws, with their places."""
    return [(flaw.sequence, flaw.code) for flaw in verify(rows, head, [KEY], kept=kept)]


def test_a_log_that_nobody_touched_has_no_flaw() -> None:
    """However it was written; an empty log has no flaw either."""
    rows, head = chain()
    assert flaws(rows, head, (3, rows[2].hash)) == []
    assert (rows[0].previous, rows[1].previous) == (GENESIS, rows[0].hash)
    assert flaws([], None) == []


def test_an_edited_row_is_found() -> None:
    """A changed text is found, also with a new hash that was made without the key."""
    rows, head = chain()
    rows[2] = replace(rows[2], record=rows[2].record.replace("judged", "agreed"))
    assert flaws(rows, head) == [(3, "edited")]
    forged, _ = chain(key=b"guess")
    rows[2] = replace(rows[2], hash=forged[2].hash)
    assert flaws(rows, head) == [(3, "edited"), (4, "out-of-order")]


def test_a_removed_row_is_found() -> None:
    """A removed row is found by its neighbour, and at the end by the head."""
    rows, head = chain()
    assert flaws(rows[:2] + rows[3:], head) == [(3, "rows-missing")]
    assert flaws(rows[2:], head) == [(1, "rows-missing")]
    assert flaws(rows[:3], head) == [(4, "rows-missing")]
    assert flaws([], head) == [(1, "rows-missing")]


def test_reordered_rows_are_found() -> None:
    """Whether or not their numbers were changed, too."""
    rows, head = chain()
    assert (3, "rows-missing") in flaws([*rows[:2], rows[3], rows[2], rows[4]], head)
    swapped = [*rows[:2], replace(rows[3], sequence=3), replace(rows[2], sequence=4), rows[4]]
    assert {place for place, _ in flaws(swapped, head)} >= {3, 4}


def test_a_row_under_another_request_is_found(database: str) -> None:
    """Otherwise a decision on one request would be shown for another."""
    with Engine.open(database) as engine:
        engine.track("Delete Person", user_id="ada")
        engine.track("Delete Person", user_id="bob")
        assert engine.audit.verify() == []
        (ada, bob) = sorted(request.key for request in engine.requests())
        with engine.store._engine.begin() as connection:  # type: ignore[attr-defined]  # noqa: SLF001
            connection.exec_driver_sql(
                f"UPDATE whereupon_audit SET request = {bob} WHERE request = {ada}"  # noqa: S608
            )
        found = [(flaw.sequence, flaw.code) for flaw in engine.audit.verify()]
        assert found == [(1, "misfiled")]


def test_a_last_row_that_was_rewritten_is_found_though_there_is_no_key() -> None:
    """Without a key anyone can compute its hash; the head in the store is still that of the old row."""
    rows, head = chain(key=b"")
    (other,), _ = seal(
        AuditHead(4, rows[3].hash, ""), [AuditRecord(NOON, 5, {"kind": "agreed"})], b""
    )
    found = [(flaw.sequence, flaw.code) for flaw in verify([*rows[:4], other], head, [b""])]
    assert found == [(5, "head-edited")]


def test_each_flaw_has_a_sentence() -> None:
    """It names the missing rows by their numbers."""
    rows, head = chain(7)
    texts = [flaw.message for flaw in verify([rows[0], rows[2], *rows[5:]], head, [KEY])]
    assert texts == ["row 2 missing before row 3", "rows 4 to 5 missing before row 6"]
    (twice,) = verify([*rows[:3], rows[2], *rows[3:]], head, [KEY])
    assert (twice.sequence, twice.code, twice.message) == (
        *(3, "out-of-order"),
        "row 3 lies behind row 3",
    )


def test_a_head_that_was_put_back_is_found_by_one_that_was_kept() -> None:
    """Without the key nobody can make a head; an old one fits, unless a newer one was kept elsewhere."""
    rows, head = chain()
    _, old = chain(3)
    assert flaws(rows[:3], old) == []
    assert flaws(rows[:3], old, (head.sequence, head.hash)) == [(4, "rows-missing")]
    forged = head_of(3, rows[2].hash, b"guess")
    assert flaws(rows[:3], forged) == [(3, "head-edited")]
    assert flaws(rows, None) == [(5, "head-missing")]
    assert flaws(rows, replace(old)) == [(3, "head-edited")]


def test_a_log_written_anew_is_found_by_a_head_that_was_kept() -> None:
    """Even with the key."""
    rows, _ = chain()
    other, head = seal(None, [AuditRecord(NOON, 9, {"kind": "judged"})] * 5, KEY)
    assert flaws(other, head) == []
    assert flaws(other, head, (5, rows[4].hash)) == [(5, "other-log")]


def test_every_step_of_a_request_is_in_the_log() -> None:
    """Asked, agreed, run; counts and keyed hashes, and no names except those of the deciders."""
    made = world(guard("deletions", ["Delete Person"], approvals=1))
    made.identify("ada-lovelace", {"plan": "pro"}, at=0)
    (request,) = made.track("Delete Person", "ada-lovelace", at=1).requests
    made.engine.requests.approve(request.key, by="lena")
    made.track("Delete Person", anonymous="anon-1", at=2)
    facts = [row.facts for row in made.engine.audit.rows()]
    assert [(each["kind"], each["outcome"]) for each in facts] == [
        ("judged", "held"),
        ("agreed", "held"),
        ("judged", "ran"),
        ("judged", "refused"),
    ]
    assert "ada" not in repr(facts)
    assert facts[1]["actor"] == "lena"
    assert made.engine.audit.verify() == []


def test_what_harms_nobody_is_not_in_the_log() -> None:
    """Devices are registered all the time."""
    made = world()
    made.track("Device Created or Updated", "ada", context={"device": {"token": "t"}}, at=0)
    assert list(made.engine.audit.rows()) == []


def test_a_receipt_says_what_was_done_and_where_it_is_proven() -> None:
    """It can be sent to the person; the host can find its mark again with the id and the key."""
    made = world(guard("deletions", ["Delete Person"], approvals=1))
    made.identify("ada", {"plan": "pro"}, at=0)
    (request,) = made.track("Delete Person", "ada", at=1).requests
    made.engine.requests.approve(request.key, by="lena")
    receipt = made.engine.audit.receipt(request.key)
    assert receipt.counts == {"messages": 1, "identifiers": 1, "persons": 1}
    assert (receipt.outcome, receipt.agreed) == ("ran", ("lena",))
    assert receipt.person == made.engine.pipeline.settings.digest("user", "ada").hex()
    assert "ada" not in receipt.text
    rows = made.engine.audit.rows_of(request.key)
    assert (receipt.sequence, receipt.hash) == (rows[-1].sequence, rows[-1].hash)
    with pytest.raises(UnknownNameError):
        made.engine.audit.receipt(99_999)


# --- the key ----------------------------------------------------------------------------------------


def test_another_key_is_refused_where_something_was_hashed() -> None:
    """Otherwise deleted people would come back, unknown to their tombstones."""
    home = open_store("memory://")

    def opened(key: bytes, *former: bytes) -> Engine:
        settings = Settings(digest_key=key, former_keys=former)
        return Engine(home, Rulebook(), clock=FrozenClock(NOON), settings=settings)

    opened(b"anything")
    engine = opened(b"one")
    engine.identify("ada")
    engine.track("Delete Person", user_id="ada")
    with pytest.raises(StoreError, match="other-key"):
        opened(b"two")
    rotated = opened(b"two", b"one")
    rotated.identify("ada", timestamp="2026-01-01T00:00:00Z")
    assert rotated.audit.verify() == []
    with home.session() as session:
        assert session.identifiers(["ada"], []) == []
    with pytest.raises(StoreError):
        opened(b"one")
