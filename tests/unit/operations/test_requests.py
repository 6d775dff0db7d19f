"""Held requests: approvals, changes while they wait, and what runs in the end."""

from datetime import timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import guard
from tests.stores import contents
from tests.worlds import DAY, HOUR, World, world

from whereupon.errors import RequestError, UnknownNameError
from whereupon.pipeline.ingestion import WireMessage
from whereupon.ports import Store
from whereupon.records import Request, RequestOutcome

TWO: JsonValue = {"needed": 2, "by": ["lena", "omar", "yuki"]}


def careful(**keys: JsonValue) -> World:
    """A world with ada, whose deletion is guarded as these keys say."""
    made = world(guard("deletions", ["Delete Person"], **keys))
    made.identify("ada", {"plan": "pro"}, at=0)
    return made


def held(made: World, at: float = 1, source: str = "server") -> Request:
    """Ask for ada's deletion, which is held."""
    (request,) = made.track("Delete Person", "ada", at=at, source=source).requests
    assert request.outcome is RequestOutcome.HELD
    return request


def is_known(made: World) -> bool:
    """Whether ada still exists."""
    return made.person("ada") is not None


def code_of(made: World, key: int, by: str, plan: str | None = None) -> str:
    """The code with which an approval is refused."""
    with pytest.raises(RequestError) as caught:
        made.engine.requests.approve(key, by=by, plan=plan)
    return caught.value.code


# --- approvals --------------------------------------------------------------------------------------


def test_it_runs_when_as_many_agree_as_the_file_asks_for() -> None:
    """Not earlier, and only by the people whom it names."""
    made = careful(approvals=TWO)
    request = held(made)
    assert (request.reason, request.detail) == ("approval", "0 of 2 agreed")
    first = made.engine.requests.approve(request.key, by="lena")
    assert (first.outcome, first.detail, is_known(made)) == ("held", "1 of 2 agreed", True)
    second = made.engine.requests.approve(request.key, by="omar")
    assert (second.outcome, is_known(made)) == ("ran", False)
    assert [each.actor for each in made.engine.requests.approvals(request.key)] == ["lena", "omar"]


def test_one_person_agrees_once() -> None:
    """Case, spaces and alphabet of a name make no other person."""
    made = careful(approvals=2)
    request = held(made)
    made.engine.requests.approve(request.key, by="lena")
    for again in ("lena", " Lena ", "LENA", "ｌｅｎａ", "lenа"):  # noqa: RUF001 - a Cyrillic letter
        assert code_of(made, request.key, again) == "approved-already"
    assert is_known(made)


@pytest.mark.parametrize("by", ["ada", "Ada", "аdа"])  # noqa: RUF001 - Cyrillic letters
def test_nobody_agrees_to_what_they_asked_for(by: str) -> None:
    """Neither the person who made the request, nor look-alikes of the name."""
    made = careful(approvals=1)
    assert code_of(made, held(made).key, by) == "own-request"


def test_whom_a_server_names_as_the_requester_cannot_agree() -> None:
    """The name that a client sends counts for nothing."""
    made = careful(approvals=1)
    asked = made.track("Delete Person", "ada", at=1, context={"actor": "lena"}).requests[0]
    assert (asked.requester, code_of(made, asked.key, "lena")) == ("lena", "own-request")
    forged = made.track(
        "Delete Person", "ada", at=2, context={"actor": "omar"}, source="client"
    ).requests[0]
    assert forged.requester is None


@pytest.mark.parametrize("by", ["lena-work", " lena-home", "LENA-WORK"])
def test_somebody_with_two_user_ids_is_one_person_who_asks_and_agrees(home: Store, by: str) -> None:
    """Asking with one id and agreeing with the other is agreeing to one's own request; only the requester may cancel it."""
    made = World([guard("deletions", ["Delete Person"], approvals=2)], home)
    for user in ("ada", "lena-home", "lena-work", "lena-phone", "omar"):
        made.identify(user, {}, at=0)
    made.alias("lena-home", "lena-work", at=1)
    asked = made.track("Delete Person", "ada", at=2, context={"actor": "lena-home"}).requests[0]
    assert code_of(made, asked.key, by) == "own-request"
    made.engine.requests.approve(asked.key, by="lena-phone")
    made.alias("lena-phone", "omar", at=3)
    assert code_of(made, asked.key, "omar") == "approved-already"
    assert made.engine.requests.cancel(asked.key, by=by).outcome == "cancelled"


def test_a_person_with_two_user_ids_agrees_to_nothing_about_themselves() -> None:
    """Whichever of the two ids the request names."""
    made = careful(approvals=1)
    made.identify("ada-2", at=0.5)
    made.alias("ada", "ada-2", at=0.6)
    assert code_of(made, held(made).key, "ada-2") == "own-request"
    (other,) = made.track("Delete Person", "ada-2", at=2).requests
    assert code_of(made, other.key, "ada") == "own-request"


@pytest.mark.parametrize("by", ["eve", "", " ", "...", "lеna"])  # noqa: RUF001 - a Cyrillic letter
def test_only_the_named_may_decide(by: str) -> None:
    """Approving, cancelling and closing all need a name from the file."""
    made = careful(approvals=TWO)
    request = held(made)
    with pytest.raises(RequestError):
        made.engine.requests.approve(request.key, by=by)
    with pytest.raises(RequestError):
        made.engine.requests.cancel(request.key, by=by)
    assert made.engine.requests.show(request.key).outcome == "held"


def test_a_request_that_has_ended_is_decided_no_more() -> None:
    """An unknown request is not decided either."""
    made = careful(approvals=1)
    request = held(made)
    made.engine.requests.cancel(request.key, by="lena")
    assert code_of(made, request.key, "lena") == "not-held"
    with pytest.raises(UnknownNameError):
        made.engine.requests.approve(99_999, by="lena")


def test_a_clients_request_needs_somebody_even_where_the_file_asks_for_nobody() -> None:
    """A held request always needs an approval."""
    made = careful()
    request = held(made, source="client")
    assert made.engine.requests.approve(request.key, by="lena").outcome == "ran"
    assert not is_known(made)


# --- the plan ---------------------------------------------------------------------------------------


def test_the_plan_says_what_would_go() -> None:
    """The rows are counted by table before any are deleted."""
    made = careful(approvals=1)
    made.track("purchase", "ada", anonymous="anon-1", at=0.5)
    plan = held(made).plan
    assert plan is not None
    assert plan.counts == {"messages": 2, "identifiers": 1, "claims": 1, "persons": 1}


def test_the_plan_of_a_devices_deletion_counts_the_device() -> None:
    """So does the receipt; a device without an owner is counted, too."""
    made = world(guard("devices", ["Delete Device"], approvals=1))
    context: JsonValue = {"device": {"token": "t-1"}}
    made.track("Device Created or Updated", "ada", context=context, at=0)
    (request,) = made.track("Delete Device", "ada", context=context, at=1).requests
    assert request.plan is not None
    assert request.plan.counts == {"devices": 1}
    done = made.engine.requests.approve(request.key, by="lena")
    assert (done.outcome, made.engine.audit.receipt(request.key).counts) == ("ran", {"devices": 1})
    (again,) = made.track("Delete Device", "ada", context=context, at=2).requests
    assert again.plan is not None
    assert again.plan.counts == {}


def test_a_changed_plan_voids_what_was_agreed_to() -> None:
    """It is shown again, and needs new approvals."""
    made = careful(approvals=2)
    request = held(made)
    made.engine.requests.approve(request.key, by="lena")
    made.track("purchase", "ada", at=2)
    assert code_of(made, request.key, "omar") == "plan-changed"
    again = made.engine.requests.show(request.key)
    assert (again.reason, again.detail) == ("plan-changed", "0 of 2 agreed")
    assert made.engine.requests.approve(request.key, by="omar").outcome == "held"
    assert made.engine.requests.approve(request.key, by="lena").outcome == "ran"


def test_an_approval_names_the_plan_that_was_seen() -> None:
    """Another plan than the current one approves nothing, and changes nothing."""
    made = careful(approvals=1)
    request = held(made)
    assert request.plan is not None
    assert code_of(made, request.key, "lena", "0123456789abcdef") == "plan-changed"
    assert is_known(made)
    done = made.engine.requests.approve(request.key, by="lena", plan=request.plan.digest)
    assert done.outcome == "ran"


def test_a_plan_that_no_longer_matches_when_its_time_comes_is_held_again() -> None:
    """Also if no approval was needed: now one is."""
    made = careful(cool_off="1d")
    request = held(made)
    made.track("purchase", "ada", at=HOUR)
    made.run(DAY + 1)
    assert made.engine.requests.show(request.key).reason == "plan-changed"
    made.run(9 * DAY)
    assert is_known(made)
    assert made.engine.requests.approve(request.key, by="lena").outcome == "ran"


# --- time -------------------------------------------------------------------------------------------


def test_a_request_cools_off() -> None:
    """It runs by itself at its time, and can be cancelled until then."""
    made = careful(cool_off="7d")
    assert held(made).reason == "cool-off"
    made.run(7 * DAY)
    assert is_known(made)
    made.run(7 * DAY + 1)
    assert not is_known(made)


def test_a_request_that_is_called_off_never_runs() -> None:
    """The person themselves may cancel it."""
    made = careful(cool_off="7d", approvals={"needed": 0, "by": ["lena"]})
    request = held(made)
    assert made.engine.requests.cancel(request.key, by="ada").outcome == "cancelled"
    made.run(30 * DAY)
    assert is_known(made)


def test_agreeing_does_not_shorten_the_time() -> None:
    """The time also does not end without approvals: both are needed."""
    made = careful(cool_off="1d", approvals=1)
    request = held(made)
    assert request.reason == "approval"
    made.run(2 * DAY)
    assert is_known(made)
    assert made.engine.requests.approve(request.key, by="lena").outcome == "ran"
    other = careful(cool_off="1d", approvals=1)
    early = held(other)
    assert other.engine.requests.approve(early.key, by="lena").reason == "cool-off"
    other.run(DAY + 1)
    assert not is_known(other)


def test_a_request_that_nobody_decides_is_given_up() -> None:
    """After 30 days, unless the file sets another time; a later approval is refused."""
    made = careful(approvals=1, expires_after="3d")
    request = held(made)
    made.run(3 * DAY + 1)
    expired = made.engine.requests.show(request.key)
    assert (expired.outcome, expired.message, is_known(made)) == ("expired", None, True)
    late = careful(approvals=1)
    key = held(late).key
    late.clock.move_to(late.clock.now() + timedelta(days=31))
    assert late.engine.requests.approve(key, by="lena").outcome == "expired"
    assert is_known(late)


def test_what_happened_while_it_waited_never_comes_back() -> None:
    """The tombstone reaches to when it ran, not only to when it was asked for."""
    made = careful(approvals=1)
    request = held(made)
    made.clock.move_to(made.clock.now() + timedelta(days=2))
    made.engine.requests.approve(request.key, by="lena")
    made.identify("ada", {"plan": "pro"}, at=DAY, arrives=2 * DAY + 5)
    assert not is_known(made)


def test_a_request_for_somebody_who_is_gone_is_called_off() -> None:
    """There is nothing left to do, and no record names the person."""
    made = careful(approvals=1)
    first, second = held(made), held(made, at=2)
    made.engine.requests.approve(first.key, by="lena")
    gone = made.engine.requests.show(second.key)
    assert (gone.outcome, gone.reason, gone.person) == ("cancelled", "person-erased", None)


# --- protect ----------------------------------------------------------------------------------------


def test_protected_people_stay() -> None:
    """Also if they became protected after the request."""
    made = careful(protect=[{"staff": True}, {"hold": {"exists": True}}], approvals=1)
    request = held(made)
    made.identify("ada", {"hold": "case 7"}, at=2)
    assert code_of(made, request.key, "lena") == "plan-changed"
    done = made.engine.requests.show(request.key)
    assert (done.outcome, done.reason) == ("refused", "protected")


def test_what_does_not_hold_protects_nobody() -> None:
    """A missing value satisfies no comparison."""
    made = careful(protect={"staff": True})
    made.track("Delete Person", "ada", at=1)
    assert not is_known(made)


def test_what_is_switched_off_runs_for_nobody() -> None:
    """The file switches the action off."""
    made = careful(enabled=False)
    made.track("Delete Person", "ada", at=1)
    assert made.requests() == [("Delete Person", "refused", "disabled")]


# --- blast radius -----------------------------------------------------------------------------------


def flood(made: World, count: int, *, at: float = 1, source: str = "server") -> list[str]:
    """The outcomes of so many deletions."""
    asked = [made.track("Delete Person", f"p-{at}-{n}", at=at, source=source) for n in range(count)]
    return [result.requests[0].reason or result.requests[0].outcome for result in asked]


def test_past_its_limit_the_breaker_opens_and_holds_the_rest() -> None:
    """An operator has to close it; then the count begins anew."""
    made = careful(limits=["2 per 1h"])
    assert flood(made, 4) == ["ran", "ran", "limit", "breaker"]
    assert flood(made, 1, at=9 * HOUR) == ["breaker"]
    (breaker,) = made.engine.requests.breakers()
    assert (breaker.is_open, breaker.limit) == (True, "2 in 1h")
    assert made.engine.requests.close("deletions", by="lena") == 3
    made.run(9 * HOUR)
    assert [each.outcome for each in made.engine.requests()][:3] == ["held", "ran", "ran"]
    with pytest.raises(UnknownNameError):
        careful().engine.requests.close("deletions", by="lena")


def test_the_window_moves() -> None:
    """Actions that ran before the window no longer count."""
    made = careful(limits=["2 per 1h"])
    assert flood(made, 2) == ["ran", "ran"]
    assert flood(made, 2, at=HOUR + 1.1) == ["ran", "ran"]


def test_limits_count_by_source_or_by_action() -> None:
    """One class of sender does not use up the limit of the other."""
    made = careful(limits=["1 per 1h by source"], sources={"client": "run"})
    assert flood(made, 1) == ["ran"]
    assert flood(made, 2, at=2, source="client") == ["ran", "limit"]
    both = world(guard("g", ["Delete Person", "Suppress Person"], limits=["1 per 1h by action"]))
    assert both.track("Delete Person", "a", at=1).requests[0].outcome == "ran"
    assert both.track("Suppress Person", "b", at=1).requests[0].outcome == "ran"
    assert both.track("Suppress Person", "c", at=1).requests[0].reason == "limit"


def test_a_limit_may_be_a_share_of_all_people() -> None:
    """Of the people who are known now; one deletion is always allowed."""
    made = careful(limits=["10% per 1d"])
    for number in range(39):
        made.identify(f"person-{number}", at=0)
    done = [made.track("Delete Person", f"person-{n}", at=1).requests[0] for n in range(6)]
    assert [each.reason or each.outcome for each in done] == ["ran"] * 3 + ["limit"] + [
        "breaker"
    ] * 2
    tiny = careful(limits=["1% per 1d"])
    assert flood(tiny, 2) == ["ran", "limit"]


def test_one_batch_does_not_pass_a_limit_together() -> None:
    """Each of its messages counts for the next."""
    made = careful(limits=["2 per 1h"])
    batch: list[WireMessage] = [
        {"type": "track", "event": "Delete Person", "userId": f"p-{n}"} for n in range(5)
    ]
    result = made.engine.ingest(batch).requests
    assert [request.outcome for request in result] == ["ran", "ran", "held", "held", "held"]


# --- erase ------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_happen_and_does_nothing() -> None:
    """The same guards and the same plan, and no row is written."""
    made = careful(protect={"staff": True})
    tried = made.engine.requests.erase("ada", by="lena", dry_run=True)
    assert (tried.outcome, is_known(made), made.engine.requests()) == ("ran", True, [])
    assert tried.plan is not None
    assert tried.plan.counts["persons"] == 1
    assert list(made.engine.audit.rows()) == []
    done = made.engine.requests.erase("ada", by="lena")
    assert (done.outcome, done.requester, is_known(made)) == ("ran", "lena", False)
    with pytest.raises(RequestError):
        made.engine.requests.erase("ben", by=" ")


def test_requests_may_still_be_listed_as_before() -> None:
    """`engine.requests(limit=…)` and `engine.requests.list(…)` answer alike."""
    made = careful(approvals=1)
    held(made)
    assert made.engine.requests(limit=5) == made.engine.requests.list(RequestOutcome.HELD)


# --- what the histories of tests/properties/test_guarding.py once found -----------------------------


def test_a_merge_that_waits_leaves_no_trace_of_somebody_erased_meanwhile() -> None:
    """The request is cancelled, and its message names no other person."""
    made = world(guard("merges", ["Merge People"], approvals=1))
    made.identify("ben", at=0)
    made.identify("ada", at=0)
    made.alias("ben", "ada", at=1, message_id="merge")
    made.track("Delete Person", "ada", at=2)
    assert made.requests() == [
        ("Merge People", "cancelled", "person-erased"),
        ("Delete Person", "ran", None),
    ]
    assert "'ada'" not in repr(contents(made.memory))
    assert b"ada" not in made.messages()["merge"].body
    assert made.person("ben") is not None


def test_a_refused_request_about_somebody_gone_names_nobody() -> None:
    """Whether it arrived before the deletion, for an unknown id, or after it."""
    made = world(guard("d", ["Delete Person"], sources={"client": "refuse"}))
    made.track("Delete Person", "zoe", source="client", at=1, message_id="zoe-before")
    made.track("Delete Person", "zoe", at=2, message_id="zoe-delete")
    made.track("Delete Person", "zoe", source="client", at=3, message_id="zoe-after")
    assert len(made.requests()) == 3
    assert "zoe" not in repr(contents(made.memory))
