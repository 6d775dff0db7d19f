"""What is kept of names is bounded, and holds for one registry of semantic events."""

from tests.rule_files import book_of
from tests.shop import thanks

from whereupon.matching import RuleIndex
from whereupon.matching.kept_names import keep
from whereupon.messages.model import MessageType
from whereupon.messages.semantic_events import Registry


def test_names_that_senders_make_up_do_not_grow_without_end() -> None:
    """All are forgotten when there are many, so that what is used now is kept."""
    kept = dict[str, int]()
    for number in range(25_000):
        assert keep(kept, f"name-{number}", number) == number
        assert len(kept) <= 10_000
    assert kept["name-24999"] == 24_999


def test_a_name_of_a_rule_is_found_again_after_many_others() -> None:
    """However many names a sender makes up, a rule still hears its own."""
    index = RuleIndex(book_of(thanks()))
    before = index.trigger_match(MessageType.TRACK, "purchase")
    for number in range(10_001):
        assert not index.trigger_match(MessageType.TRACK, f"name-{number}").rules
    after = index.trigger_match(MessageType.TRACK, "purchase")
    assert [*before.rules] == [*after.rules] != []


def test_what_is_plain_is_kept_for_one_registry() -> None:
    """Under another registry a name may be that of a semantic event."""
    index, one, other = RuleIndex(book_of(thanks())), Registry(), Registry()
    kept = index.plain_names(one)
    assert index.plain_names(one) is kept
    assert index.plain_names(other) is not kept
