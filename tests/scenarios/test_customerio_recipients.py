"""Triggers of Customer.io's App API with a filter of recipients."""

import pytest
from pydantic import JsonValue
from tests.customerio import Caller
from tests.rule_files import File, book_of, broadcast, segment
from tests.shop import NOON

from whereupon import Engine
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

PATH = "/v1/campaigns/news/triggers"
DATA: dict[str, object] = {"data": {"headline": "June"}}


def rules(**more: JsonValue) -> Rulebook:
    """A broadcast, and two segments, one of which has a number as its id."""
    regulars = segment("regulars", performed={"event": "visit", "within": "7d"})
    headline: File = {"send": "email", "subject": "{{ properties.headline }}"}
    news = broadcast("news", "api", whereupon=[headline], **more)
    return book_of(regulars, segment("7", vip=True), news)


def call(engine: Engine, recipients: object) -> tuple[int, dict[str, JsonValue]]:
    """Trigger the broadcast with a filter."""
    answered = Caller(engine)("POST", PATH, {**DATA, "recipients": recipients})
    return answered.status, answered.body


def got(engine: Engine) -> dict[str, JsonValue]:
    """What each person was sent."""
    return {each.person: each.content["subject"] for each in engine.deliveries()}


EXISTS: dict[str, object] = {"attribute": {"field": "plan", "operator": "exists"}}


def _equals(field: str, value: object) -> dict[str, object]:
    return {"attribute": {"field": field, "operator": "eq", "value": value}}


FILTERS: list[tuple[dict[str, object], set[str]]] = [
    (EXISTS, {"pia", "pam", "fay"}),
    (_equals("plan", "pro"), {"pia", "pam"}),
    (_equals("age", 40), {"pam"}),
    (_equals("vip", value=True), {"pia"}),
    (_equals("utm.source", "mail"), {"fay"}),
    ({"not": EXISTS}, {"ada", "bob"}),
    ({"and": [_equals("plan", "pro"), {"not": _equals("vip", value=True)}]}, {"pam"}),
    ({"or": [_equals("plan", "free"), _equals("age", 40)]}, {"fay", "pam"}),
    ({"segment": {"id": "regulars"}}, {"bob"}),
    ({"segment": {"id": 7}}, {"pia"}),
    ({"or": [{"segment": {"id": "7"}}, {"segment": {"id": "regulars"}}]}, {"pia", "bob"}),
]


@pytest.mark.parametrize(("recipients", "people"), FILTERS)
def test_a_trigger_with_recipients_goes_to_those_who_meet_the_filter(
    place: str, recipients: dict[str, object], people: set[str]
) -> None:
    """A segment by the id of its file, an attribute, and and, or and not of them; at every depth."""
    with Engine.open(place, rules=rules(), clock=FrozenClock(NOON)) as engine:
        for name in ("ada", "bob"):
            engine.identify(name)
        engine.identify("pia", traits={"plan": "pro", "vip": True})
        engine.identify("pam", traits={"plan": "pro", "age": 40})
        engine.identify("fay", traits={"plan": "free", "utm.source": "mail"})
        engine.track("visit", user_id="bob")
        status, said = call(engine, recipients)
        assert (status, said["recipients"]) == (200, len(people))
        assert got(engine) == dict.fromkeys(people, "June")


def test_who_is_asked_of_those_who_meet_the_filter(place: str) -> None:
    """Whom it does not admit is counted; a filter that nobody meets is not everybody."""
    book = rules(who={"muted": {"exists": False}})
    with Engine.open(place, rules=book, clock=FrozenClock(NOON)) as engine:
        engine.identify("ada", traits={"plan": "pro"})
        engine.identify("bob", traits={"plan": "pro", "muted": True})
        status, said = call(engine, _equals("plan", "none"))
        assert (status, said["recipients"]) == (200, 0)
        engine.run_due()
        assert got(engine) == {}
        status, said = call(engine, _equals("plan", "pro"))
        assert (status, said["recipients"], said["excluded"]) == (200, 1, 1)
        assert got(engine) == {"ada": "June"}


def test_a_filter_that_too_many_people_meet_is_refused() -> None:
    """It says what to do; nothing is sent."""
    with Engine.open("memory://", rules=rules(), clock=FrozenClock(NOON)) as engine:
        for first in range(0, 10_500, 1_500):
            ids = (f"p-{number}" for number in range(first, first + 1_500))
            engine.ingest({"type": "identify", "userId": user_id} for user_id in ids)
        status, said = call(engine, {"not": EXISTS})
        assert (status, said["code"]) == (400, "too-many-people")
        assert "in the `who` of news" in str(said["message"])
        assert got(engine) == {}


def test_filters_within_filters_have_a_depth() -> None:
    """Ten are taken, and no more."""
    with Engine.open("memory://", rules=rules(), clock=FrozenClock(NOON)) as engine:
        recipients = EXISTS
        for depth in range(12):
            _, said = call(engine, recipients)
            assert (said.get("code") == "bad-field") is (depth > 10)
            recipients = {"not": recipients}
