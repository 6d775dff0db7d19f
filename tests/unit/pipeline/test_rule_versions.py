"""Older versions of rules, which entries still follow, in an index that threads share."""

import sys
from collections.abc import Iterator
from contextlib import closing
from threading import Thread

import pytest
from tests.rule_files import book_of, campaign

from whereupon.matching import RuleIndex
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.records import Changes
from whereupon.rules.model import Rule, Rulebook
from whereupon.storage import open_store


def leaving_by(event: str) -> Rule:
    """A version of the rule that ends by this event."""
    file = campaign("series", "start", exit={"event": event})
    return book_of(file).rules[0]


@pytest.fixture
def hasty() -> Iterator[None]:
    """Switch between threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_an_index_is_a_value() -> None:
    """Adding a version makes another index, and leaves the first as it was."""
    index = RuleIndex(Rulebook((leaving_by("now"),)))
    other = index.with_version(leaving_by("before"))
    assert index.exit_names == {"now"}
    assert other.exit_names == {"now", "before"}
    assert other.with_version(leaving_by("long ago")).exit_names == {"now", "before", "long ago"}
    assert other.book is index.book


@pytest.mark.usefixtures("hasty")
def test_no_thread_loses_what_another_has_read() -> None:
    """The exits of every older version are known, whichever thread read it, at any moment."""
    older = [leaving_by(f"event {number}") for number in range(48)]
    index = RuleIndex(Rulebook((leaving_by("now"),)))
    versions = RuleVersions(index)
    texts = {rule.digest: (rule.id, index.version_text(rule)) for rule in older}
    with closing(open_store("memory://")) as store:
        store.transact(lambda session: session.flush(Changes(rule_versions=texts)))

        def read(rules: list[Rule]) -> None:
            with store.session() as session:
                for rule in rules:
                    versions.rule_of(session, rule.digest)

        threads = [Thread(target=read, args=(older[start::8],)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert versions.index.exit_names == {"now", *(f"event {number}" for number in range(48))}
