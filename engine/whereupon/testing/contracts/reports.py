"""Reports of deliveries, and addresses that get nothing more."""

# ruff: noqa: S101, PT012 - tests assert, and a raising session is a block

from dataclasses import replace
from typing import TypeVar

import pytest

from whereupon.messages.metrics import Metric
from whereupon.ports import Store
from whereupon.records import Changes, IdKind, MetricReport, SuppressedAddress
from whereupon.testing.contracts.samples import ADA, NOON, after, delivery, person, save

_Kept = TypeVar("_Kept")
_OURS = SuppressedAddress("push", b"\x01" * 16, "bounced", NOON)


def _report(ref: str, metric: str, *, of: str = "i-1", kind: str = "delivery") -> MetricReport:
    return MetricReport(ref, kind, of, metric, "ada", NOON, "as they say")


def _all(store: Store, kind: type[_Kept]) -> list[_Kept]:
    with store.reading() as session:
        return list(session.scan(kind))


class ReportsContract:
    """See `StoreContract`."""

    def test_a_delivery_keeps_each_metric_once(self, store: Store) -> None:
        """In any order, in one batch and in several; reports of a content are none of a delivery."""
        save(store, Changes(persons={ADA: person()}, deliveries=[delivery(1), delivery(2)]))
        save(store, Changes(reports=[_report("r-1", "clicked"), _report("r-2", "opened")]))
        said = [_report("r-3", "opened"), _report("r-4", "bounced", of="unknown")]
        save(store, Changes(reports=[*said, _report("r-5", "bounced", kind="content")]))
        with store.reading() as session:
            found = {each.key: each.reports for each in session.deliveries_by_key(["i-1", "i-2"])}
        assert found == {1: {Metric.CLICKED, Metric.OPENED}, 2: set()}
        assert len(_all(store, MetricReport)) == 5  # noqa: PLR2004 - those above

    def test_a_delivery_of_the_same_batch_is_reported_too(self, store: Store) -> None:
        """It is written first."""
        made = Changes(persons={ADA: person()}, deliveries=[delivery(1)])
        made.reports.append(_report("r-1", "spammed"))
        save(store, made)
        with store.reading() as session:
            (found,) = session.deliveries_by_key(["i-1", "none"])
        assert found.reports == {Metric.COMPLAINED}

    def test_an_erased_persons_reports_say_only_the_metric(self, store: Store) -> None:
        """Neither the delivery, nor the person, nor the words."""
        save(store, Changes(persons={ADA: person()}, reports=[_report("r-1", "opened")]))
        save(store, Changes(erased_identifiers=[(IdKind.USER, "ada")]))
        (found,) = _all(store, MetricReport)
        assert (found.metric, found.subject, found.person, found.reason) == (
            "opened",
            "",
            None,
            None,
        )
        assert found.ref != "r-1"

    def test_an_address_is_suppressed_once_and_lifted(self, store: Store) -> None:
        """What was first stays; a channel knows nothing of another one's addresses."""
        key = (_OURS.channel, _OURS.digest)
        save(store, Changes(suppressed={key: _OURS}))
        later = replace(_OURS, reason="complained", since=after(5))
        save(store, Changes(suppressed={key: later}))
        with store.reading() as session:
            assert session.has_suppressed()
            assert session.suppressed("push", [b"\x02" * 16, _OURS.digest]) == _OURS
            assert session.suppressed("email", [_OURS.digest]) is None
            assert session.suppressed("push", []) is None
        save(store, Changes(suppressed={key: None, ("push", b"\x03" * 16): None}))
        with store.reading() as session:
            assert not session.has_suppressed()
            assert session.suppressed("push", [_OURS.digest]) is None

    def test_a_suppression_that_is_taken_back_was_never_there(self, store: Store) -> None:
        """It is part of its transaction."""
        with pytest.raises(ZeroDivisionError), store.session() as session:
            session.flush(Changes(suppressed={(_OURS.channel, _OURS.digest): _OURS}))
            raise ZeroDivisionError
        assert _all(store, SuppressedAddress) == []

    def test_a_leased_delivery_says_whether_its_channel_suppresses(self, store: Store) -> None:
        """So that the usual hand-over asks for no address."""
        save(store, Changes(persons={ADA: person()}, deliveries=[delivery(1)]))
        other = replace(_OURS, channel="email")
        for address, expected in ((other, False), (_OURS, True)):
            save(store, Changes(suppressed={(address.channel, address.digest): address}))
            with store.reading() as session:
                now = session.leased_now([1]).get(1)
            assert now is not None
            assert now.is_suppressing is expected

    def test_a_delivery_keeps_the_hash_of_its_address(self, store: Store) -> None:
        """The last one counts."""
        save(store, Changes(persons={ADA: person()}, deliveries=[delivery(1)]))
        for digest in (b"\x01" * 16, b"\x02" * 16):
            with store.session() as session:
                session.note_address(1, digest)
        with store.reading() as session:
            (found,) = session.deliveries_by_key(["i-1"])
        assert found.address_digest == b"\x02" * 16
