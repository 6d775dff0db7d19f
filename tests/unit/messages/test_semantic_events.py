"""Names of semantic events: exact names ask for an action, near ones are only reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rule_files import campaign
from tests.worlds import world

from whereupon.messages.semantic_events import BUILT_IN, Action, ActionName, Registry, id_in
from whereupon.rules.reserved import ACTION_EVENTS

NAMES = {
    "Delete Person": ActionName.DELETE_PERSON,
    "User Deleted": ActionName.DELETE_PERSON,
    "Suppress Person": ActionName.SUPPRESS_PERSON,
    "User Suppressed": ActionName.SUPPRESS_PERSON,
    "Unsuppress Person": ActionName.UNSUPPRESS_PERSON,
    "User Unsuppressed": ActionName.UNSUPPRESS_PERSON,
    "Device Created or Updated": ActionName.UPSERT_DEVICE,
    "Delete Device": ActionName.DELETE_DEVICE,
    "Device Deleted": ActionName.DELETE_DEVICE,
    "Object Created or Updated": ActionName.UPSERT_OBJECT,
    "Delete Object": ActionName.DELETE_OBJECT,
    "Object Deleted": ActionName.DELETE_OBJECT,
    "Delete Relationship": ActionName.DELETE_RELATIONSHIP,
    "Relationship Deleted": ActionName.DELETE_RELATIONSHIP,
    "Report Delivery Event": ActionName.REPORT_DELIVERY,
    "Report Content Event": ActionName.REPORT_CONTENT,
}
NEAR = {
    "delete person": "Delete Person",
    "DELETE PERSON": "Delete Person",
    "Delete  Person": "Delete Person",
    "Delete Person ": "Delete Person",
    "Delete_Person": "Delete Person",
    "delete-person": "Delete Person",
    "DeletePerson": "Delete Person",
    "Delete Persons": "Delete Person",
    "Delete Pеrson": "Delete Person",  # noqa: RUF001 - a Cyrillic letter
    "Dеlеtе Реrѕоn": "Delete Person",  # noqa: RUF001 - six of them
    "Ｄｅｌｅｔｅ Ｐｅｒｓｏｎ": "Delete Person",  # noqa: RUF001 - full width
    "Délete Person": "Delete Person",
    "Delete\u00a0Person": "Delete Person",
    "Delete\u200bPerson": "Delete Person",
    "user_deleted": "User Deleted",
    "User deleted": "User Deleted",
    "unsuppress person": "Unsuppress Person",
    "device created or updated": "Device Created or Updated",
}
ORDINARY = ("purchase", "Account Deleted", "Deleted", "Person", "Order Deleted", "", "🧦", "user")


@pytest.mark.parametrize(("name", "action"), NAMES.items())
def test_both_spellings_ask_for_the_action(name: str, action: ActionName) -> None:
    """The spelling of the client documentation and that of the API schema."""
    found = Registry().action_for(name)
    assert found is not None
    assert found.name == action
    assert Registry().near_miss(name) is None


def test_no_other_name_asks_for_an_action() -> None:
    """The registry and the rule files have the same names; alias has none."""
    known = {event: action.name for action in BUILT_IN for event in action.events}
    assert known == NAMES
    assert {action.name: action.events for action in BUILT_IN} == ACTION_EVENTS
    assert not Registry().named(ActionName.MERGE_PEOPLE).events


@pytest.mark.parametrize(("name", "meant"), NEAR.items())
def test_a_near_miss_runs_nothing_and_is_reported(name: str, meant: str) -> None:
    """It is an ordinary event: recorded, and decided like any other."""
    made = world(campaign("thanks", "*"))
    made.identify("ada")
    result = made.track(name, "ada", message_id="m")
    assert [(warned.code, warned.message_id) for warned in result.warnings] == [("near-miss", "m")]
    assert repr(meant) in result.warnings[0].message
    assert made.person("ada") is not None
    assert (made.requests(), made.owners()["m"], made.entered) == ([], "ada", ["m"])


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_event_is_not_suspected(name: str) -> None:
    """Real systems delete accounts and orders."""
    assert Registry().near_miss(name) is None
    assert Registry().action_for(name) is None


@given(st.text())
def test_only_the_exact_name_asks(name: str) -> None:
    """No other name runs an action."""
    assert (Registry().action_for(name) is not None) == (name in NAMES)
    Registry().near_miss(name)


def test_a_registry_is_a_value() -> None:
    """Another registry with one more action leaves this one alone."""
    own = Action("Close Account", ("Account Closed",))
    grown = Registry((*BUILT_IN, own))
    assert grown.action_for("Account Closed") is own
    assert Registry().action_for("Account Closed") is None
    assert grown.near_miss("account closed") == "Account Closed"


def test_an_action_that_there_is_not_is_a_key_error() -> None:
    """An unregistered name has no action."""
    with pytest.raises(KeyError):
        Registry().named("Close Account")


@pytest.mark.parametrize(
    ("value", "read"),
    [(" acme\n", "acme"), ("acme", "acme"), (7.0, "7"), (" ", None), ("a\0", None), (True, None)],
)
def test_an_id_within_a_message_is_read_as_its_own_ids_are(value: object, read: str | None) -> None:
    """As a text without the space around it, or a number: it matches the id that a group call sent."""
    assert id_in(value) == read
