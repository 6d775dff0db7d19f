"""Identity in realistic cases: several ids, shared devices, merges and deletions; and its explanation."""

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign
from tests.worlds import HOUR, World, world

from whereupon.errors import UnknownNameError
from whereupon.insight.person_report import ClaimReport, Identity
from whereupon.ports import Store

SOCKS = campaign("socks", "purchase")
CART = campaign(
    "cart",
    "Product Added",
    reentry={"once_per": "1d"},
    whereupon=[{"wait": "2h"}, {"send": "push", "title": "{{ properties.item }}"}],
)


def brought(run: ClaimReport) -> list[str]:
    """The messages that a run of claims brought, oldest first."""
    return [message.message_id for message in reversed(run.brought)]


def runs(identity: Identity) -> list[tuple[str, str, str, list[str]]]:
    """Every shown claim: anonymous id, person, the opening message, and the claimed messages."""
    return [
        (claimed.anonymous_id, run.person, run.message_id, brought(run))
        for claimed in identity.anonymous_ids
        for run in claimed.claims
    ]


# --- several ids ------------------------------------------------------------------------------------


def test_one_person_has_several_user_ids_and_devices(home: Store) -> None:
    """All messages under any of them are hers, under her first id."""
    made = world(SOCKS, store=home)
    made.track("purchase", anonymous="phone", message_id="by-phone", at=0)
    made.track("purchase", anonymous="laptop", message_id="by-laptop", at=1)
    made.identify("ada", anonymous="phone", message_id="on-phone", at=2)
    made.identify("ada-work", anonymous="laptop", message_id="on-laptop", at=3)
    made.alias("ada", "ada-work", message_id="same", at=4)
    made.track("purchase", "ada-work", message_id="later", at=5)
    identity = made.engine.identity("ada-work")
    assert (identity.person, identity.user_ids) == ("ada", ("ada", "ada-work"))
    assert runs(identity) == [
        ("laptop", "ada", "on-laptop", ["by-laptop"]),
        ("phone", "ada", "on-phone", ["by-phone"]),
    ]
    assert [(m.person, m.message_id) for m in identity.merges] == [("ada-work", "same")]
    assert made.entered == ["by-phone", "by-laptop", "later"]
    assert made.verdicts[-1] == ("ada", "socks", "entered")


# --- shared devices, conflicting claims -------------------------------------------------------------


def test_a_shared_device_shows_each_person_only_what_is_theirs(home: Store) -> None:
    """Of the other person only the user id is shown, and since when the device was theirs."""
    made = world(SOCKS, store=home)
    made.track("purchase", anonymous="family", message_id="hers", at=0)
    made.identify("ada", {"plan": "pro"}, anonymous="family", message_id="ada-says", at=1)
    made.track("purchase", anonymous="family", message_id="his", at=20)
    made.identify("ben", {"plan": "free"}, anonymous="family", message_id="ben-says", at=30)
    hers, his = made.engine.identity("ada"), made.engine.identity("ben")
    assert runs(hers) == [
        ("family", "ada", "ada-says", ["hers"]),
        ("family", "ben", "ben-says", []),
    ]
    assert runs(his) == [("family", "ada", "ada-says", []), ("family", "ben", "ben-says", ["his"])]
    assert "pro" not in repr(his)
    assert "free" not in repr(hers)


def test_an_earlier_claim_that_arrives_later_takes_over_but_triggers_nothing_again(
    home: Store,
) -> None:
    """The message belongs to the earliest claim by its own time; a rule evaluates it once."""
    made = world(SOCKS, store=home)
    made.track("purchase", anonymous="family", message_id="bought", at=0)
    made.identify("ben", anonymous="family", message_id="ben-says", at=30)
    made.identify("ada", anonymous="family", message_id="ada-says", at=2, arrives=40)
    assert made.verdicts == [("ben", "socks", "entered"), ("ada", "socks", "claimed-before")]
    assert runs(made.engine.identity("ada"))[0] == ("family", "ada", "ada-says", ["bought"])
    (message,) = made.engine.identity("ada").anonymous_ids[0].claims[0].brought
    assert "claimed-before" in [decision.reason for decision in message.decisions]
    assert made.engine.identity("ben").anonymous_ids[0].claims[1].brought == ()


def test_what_was_decided_of_another_goes_when_a_message_turns_out_to_be_ones_own(
    home: Store,
) -> None:
    """Ben's attributes are no reason for Ada; a broadcast's decision on the message is without a person, and stays."""
    made = world(
        campaign("pros", "purchase", who={"plan": "pro"}),
        campaign("dear", "purchase", where={"price": {"gt": 9}}, who={"plan": "pro"}),
        broadcast("sale", "purchase", where={"price": {"gt": 99}}),
        broadcast("over", "purchase", active=False),
        store=home,
    )
    made.track("purchase", None, {"price": 10}, anonymous="family", message_id="bought", at=0)
    made.identify("ben", {"plan": "bens-plan"}, anonymous="family", at=30)
    made.identify("ada", anonymous="family", at=2, arrives=40)
    explain = made.engine.explain
    explanations = {rule: explain("ada", rule) for rule in ("pros", "dear", "sale", "over")}
    assert {rule: [each.reason for each in found] for rule, found in explanations.items()} == {
        "pros": ["claimed-before"],
        "dear": ["claimed-before"],
        "sale": ["where"],
        "over": ["inactive"],
    }
    assert "bens-plan" not in repr([explanations, made.engine.identity("ada")])


def test_deleting_the_true_owner_of_a_message_takes_its_content_from_the_other(
    home: Store,
) -> None:
    """Ben had entered by it, and waits; he goes on without its content, and is sent none of it."""
    steps: list[JsonValue] = [
        {"send": "push", "title": "{{ properties.item }}"},
        {"wait": "2h"},
        {"send": "push", "title": "{{ properties.item }}"},
    ]
    made = world(campaign("thanks", "purchase", whereupon=steps), store=home)
    made.track("purchase", None, {"item": "a secret"}, anonymous="family", at=0)
    made.identify("ben", anonymous="family", at=30)
    made.identify("ada", anonymous="family", at=2, arrives=40)
    result = made.engine.track("Delete Person", user_id="ada")
    assert [request.outcome for request in result.requests] == ["ran"]
    made.run(3 * HOUR)
    assert [(sent.person, sent.state, dict(sent.content)) for sent in made.deliveries()] == [
        ("ben", "withheld", {}),
        ("ben", "withheld", {}),
    ]


def test_a_message_that_comes_back_is_explained_once(home: Store) -> None:
    """It let Ben in, became Ada's by an earlier claim, and Ben's again by an even earlier one."""
    made = world(campaign("thanks", "purchase"), store=home)
    made.track("purchase", anonymous="family", at=0)
    made.identify("ben", anonymous="family", at=30)
    made.identify("ada", anonymous="family", at=20, arrives=40)
    made.identify("ben", anonymous="family", at=10, arrives=50)
    assert made.outcomes == ["entered", "claimed-before", "claimed-before"]
    (explanations,) = made.engine.explain("ben", "thanks")
    assert explanations.reason is None
    (claim, *_) = made.engine.identity("ben").anonymous_ids[0].claims
    assert [decision.reason for decision in claim.brought[0].decisions] == [None]
    assert made.engine.explain("ada", "thanks") == []


@pytest.mark.parametrize("order", [("ada", "ben"), ("ben", "ada")])
def test_of_two_claims_in_one_microsecond_the_smaller_message_id_counts(
    home: Store, order: tuple[str, str]
) -> None:
    """So two machines, and a replay, agree."""
    made = world(SOCKS, store=home)
    made.track("purchase", anonymous="family", message_id="bought", at=0)
    for user in order:
        made.identify(user, anonymous="family", message_id=f"{user}-says", at=10)
    expected = [("family", "ada", "ada-says", ["bought"])]
    assert runs(made.engine.identity("ada")) == expected
    assert made.engine.identity("ben").anonymous_ids == ()


# --- alias chains and cycles ------------------------------------------------------------------------


def test_aliases_in_a_chain_and_a_circle_end_in_one_person(home: Store) -> None:
    """From a to b, from b to c, and back; an alias of a person to themselves does nothing."""
    made = world(SOCKS, store=home)
    for user in ("a", "b", "c"):
        made.identify(user, at=0)
    made.alias("b", "a", message_id="one", at=1)
    made.alias("c", "b", message_id="two", at=2)
    made.alias("a", "c", message_id="three", at=3)
    made.alias("c", "c", message_id="four", at=4)
    identity = made.engine.identity("a")
    assert (identity.person, identity.user_ids) == ("c", ("c", "a", "b"))
    assert [(m.person, m.message_id) for m in identity.merges] == [("a", "one"), ("b", "two")]
    assert identity == made.engine.identity("b") == made.engine.identity("c")


# --- merges while entries wait ----------------------------------------------------------------------


def added(made: World, user: str, item: str, at: float) -> None:
    """An addition to a cart."""
    made.track("Product Added", user, {"item": item}, at=at)


def test_what_waits_goes_on_for_the_survivor_once(home: Store) -> None:
    """The loser's waiting push goes to the survivor, at its time, and to nobody else."""
    made = world(CART, store=home)
    made.identify("ada", at=0)
    added(made, "ben", "socks", at=1)
    made.alias("ada", "ben", at=30)
    made.run(3 * HOUR)
    assert [(d.person, d.content["title"]) for d in made.deliveries()] == [("ada", "socks")]


def test_re_entry_counts_what_both_had_entered(home: Store) -> None:
    """A merge does not bypass a period of re-entry, for either of the ids."""
    made = world(CART, store=home)
    made.identify("ada", at=0)
    added(made, "ben", "socks", at=1)
    made.alias("ada", "ben", at=30)
    added(made, "ada", "hat", at=40)
    added(made, "ben", "shoes", at=50)
    assert made.outcomes == ["entered", "reentry", "reentry"]


def test_a_merge_triggers_nothing_by_itself(home: Store) -> None:
    """The loser's decisions stay; their messages are not evaluated again for the survivor."""
    made = world(SOCKS, store=home)
    made.track("purchase", "ben", at=0)
    made.alias("ada", "ben", at=1)
    assert made.verdicts == [("ben", "socks", "entered")]


def test_an_attribute_that_a_merge_fills_keeps_its_time(home: Store) -> None:
    """A later change wins over it, though it is older than the empty value that was filled."""
    made = world(store=home)
    made.identify("ben", {"plan": "free"}, at=0)
    made.identify("ada", {"plan": "", "city": ""}, at=20)
    made.alias("ada", "ben", at=30)
    assert made.attributes("ada") == {"plan": "free", "city": ""}
    made.identify("ada", {"plan": "pro"}, at=10, arrives=40)
    assert made.attributes("ada") == {"plan": "pro", "city": ""}


# --- merges with people who are gone ----------------------------------------------------------------


@pytest.mark.parametrize("gone", ["Suppress Person", "Delete Person"])
def test_an_alias_does_not_bring_back_who_is_gone(home: Store, gone: str) -> None:
    """It is refused with the reason, merges and claims nothing, and stores the id nowhere."""
    made = world(SOCKS, store=home)
    made.identify("ada", at=0)
    made.track("purchase", "zoe", anonymous="anon-zoe", at=1)
    made.track(gone, "zoe", at=10)
    made.alias("ada", "zoe", at=5, arrives=11)
    reason = "suppressed" if gone == "Suppress Person" else "deleted"
    assert made.requests()[-1] == ("Merge People", "refused", reason)
    identity = made.engine.identity("ada")
    assert (identity.user_ids, identity.anonymous_ids) == (("ada",), ())
    with pytest.raises(UnknownNameError):
        made.engine.identity("zoe")


def test_somebody_suppressed_survives_no_alias_either(home: Store) -> None:
    """An alias to a suppressed id is ignored; the other person stays as they are."""
    made = world(SOCKS, store=home)
    made.track("Suppress Person", "zoe", at=0)
    made.identify("ada", at=1)
    made.alias("zoe", "ada", at=2)
    assert made.engine.identity("ada").user_ids == ("ada",)
    made.track("purchase", "zoe", at=3)
    assert made.outcomes == ["suppressed"]


def test_the_id_of_a_merged_person_stays_suppressed_for_what_was_before_their_deletion(
    home: Store,
) -> None:
    """The person came back, and was merged; late messages from before the deletion are still ignored."""
    made = world(SOCKS, store=home)
    made.identify("ada", at=0)
    made.track("purchase", "zoe", at=1)
    made.track("Delete Person", "zoe", at=10)
    made.track("purchase", "zoe", message_id="back", at=20)
    made.alias("ada", "zoe", at=30)
    made.track("purchase", "zoe", message_id="late", at=5, arrives=31)
    made.track("purchase", "zoe", message_id="new", at=40)
    assert [(d.message_id, d.person, d.reason) for d in made.decided[1:]] == [
        ("back", "zoe", None),
        ("late", None, "deleted"),
        ("new", "ada", None),
    ]


def test_deleting_the_survivor_covers_every_id_that_became_theirs(home: Store) -> None:
    """The loser's user id and device are the person's, and are erased with them."""
    made = world(SOCKS, store=home)
    made.identify("zoe", anonymous="anon-zoe", at=0)
    made.identify("ada", at=1)
    made.alias("ada", "zoe", at=2)
    made.track("Suppress Person", "ada", at=10)
    made.track("purchase", "zoe", at=11)
    made.track("purchase", anonymous="anon-zoe", at=12)
    assert made.outcomes == ["suppressed", "suppressed"]


# --- unsuppressing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["ada", "ada-work"])
def test_unsuppressing_by_any_user_id_lifts_all_that_was_suppressed_with_it(
    home: Store, by: str
) -> None:
    """The person's other ids and devices are accepted again from then on; earlier messages are not."""
    made = world(SOCKS, store=home)
    made.identify("ada", anonymous="phone", at=0)
    made.identify("ada-work", at=1)
    made.alias("ada", "ada-work", at=2)
    made.track("Suppress Person", "ada", at=10)
    made.track("Unsuppress Person", by, at=20)
    made.track("purchase", anonymous="phone", at=15, arrives=21)
    made.track("purchase", anonymous="phone", message_id="heard", at=22)
    made.identify("ada-work", anonymous="phone", at=23)
    assert made.outcomes == ["suppressed", "entered"]
    assert made.entered == ["heard"]


def test_a_device_of_two_suppressed_people_stays_so_until_both_are_lifted(home: Store) -> None:
    """Lifting one person's suppression does not lift the other's."""
    made = world(SOCKS, store=home)
    made.identify("ada", anonymous="family", at=0)
    made.identify("ben", anonymous="family", at=1)
    made.track("Suppress Person", "ada", at=10)
    made.track("Suppress Person", "ben", at=11)
    made.track("Unsuppress Person", "ada", at=12)
    made.track("purchase", anonymous="family", at=13)
    made.track("Unsuppress Person", "ben", at=14)
    made.track("purchase", anonymous="family", at=15)
    made.identify("ben", anonymous="family", at=16)
    assert made.outcomes == ["suppressed", "entered"]


# --- explained --------------------------------------------------------------------------------------


def test_each_claim_says_what_it_brought_and_what_that_led_to(home: Store) -> None:
    """Entered or skipped with the reason, rule by rule, as `explain` words it."""
    dear = campaign("dear", "purchase", where={"price": {"gt": 10}})
    made = world(SOCKS, dear, store=home)
    made.track("purchase", anonymous="phone", properties={"price": 5}, message_id="cheap", at=0)
    made.identify("ada", anonymous="phone", at=1)
    ((claimed,),) = [run.brought for run in made.engine.identity("ada").anonymous_ids[0].claims]
    assert {(d.rule, d.reason, d.retroactive) for d in claimed.decisions} == {
        ("socks", None, True),
        ("dear", "where", True),
    }
    explanations = [made.engine.explain("ada", rule)[0] for rule in ("socks", "dear")]
    assert sorted(claimed.decisions, key=repr) == sorted(explanations, key=repr)


def test_no_more_is_read_than_asked_for(home: Store) -> None:
    """The newest messages come first; all claims are shown."""
    made = world(SOCKS, store=home)
    for number in range(5):
        made.track("purchase", anonymous="phone", message_id=f"m-{number}", at=number)
    made.identify("ada", anonymous="phone", message_id="claim", at=6)
    assert runs(made.engine.identity("ada", limit=2)) == [("phone", "ada", "claim", ["m-3", "m-4"])]


def test_nobody_known_has_no_identity(home: Store) -> None:
    """An anonymous id is not a person yet."""
    made = world(store=home)
    made.track("purchase", anonymous="phone")
    with pytest.raises(UnknownNameError):
        made.engine.identity("phone")
