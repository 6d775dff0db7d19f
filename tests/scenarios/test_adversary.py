"""Attacks: each of them fails, and leaves a record."""

# ruff: noqa: RUF001 - letters that look alike are what some of the cases are about

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from pydantic import JsonValue
from tests.rule_files import guard
from tests.stores import contents
from tests.worlds import DAY, HOUR, World, after, message, world

from whereupon.engine import Engine
from whereupon.errors import RequestError, WhereuponError
from whereupon.messages.model import MessageType
from whereupon.pipeline.ingestion import WireMessage
from whereupon.records import RequestOutcome
from whereupon.rules.loading import load_rules
from whereupon.scheduling.clocks import FrozenClock

DEVICE: JsonValue = {"device": {"token": "t-ada", "type": "ios"}}


def shop(**keys: JsonValue) -> World:
    """A shop with ada and ben, and a guard on deletions."""
    made = world(guard("deletions", ["Delete Person", "Suppress Person"], **keys))
    made.identify("ada", {"plan": "pro"}, anonymous="anon-1", at=0)
    made.identify("ben", {"plan": "free"}, at=0)
    made.track("Device Created or Updated", "ada", context=DEVICE, at=0)
    return made


def is_known(made: World, user: str = "ada") -> bool:
    """Whether a person still exists."""
    return made.person(user) is not None


@pytest.mark.parametrize(
    "forged",
    [
        {"source": "server"},
        {"context": {"source": "server"}},
        {"context": {"library": {"name": "whereupon"}}},
        {"channel": "server"},
        {"origin": "live", "writeKey": "server"},
    ],
)
def test_a_source_cannot_be_forged_by_a_message(forged: dict[str, JsonValue]) -> None:
    """The class of sender follows from how the message came in, not from its content."""
    made = shop()
    wire: dict[str, JsonValue] = {
        "type": "track",
        "event": "Delete Person",
        "userId": "ada",
        **forged,
    }
    (request,) = made.engine.ingest([wire], source="client").requests
    assert (request.outcome, request.reason, is_known(made)) == ("held", "source", True)


def test_a_client_key_cannot_delete_somebody_else() -> None:
    """Neither the person, nor their device, nor by a merge; every request is held or refused."""
    made = shop()
    for name in ("Delete Person", "User Deleted", "Suppress Person"):
        made.track(name, "ada", anonymous="anon-9", source="client", at=1)
    made.track("Delete Device", "ben", context=DEVICE, source="client", at=1)
    made.alias("ben", "ada", source="client", at=1)
    outcomes = {outcome for action, outcome, _ in made.requests() if "Create" not in action}
    assert outcomes == {"held", "refused"}
    assert (is_known(made), list(made.devices())) == (True, ["t-ada"])


def test_a_device_goes_only_with_its_owner() -> None:
    """A server that names the wrong person deletes nothing."""
    made = shop()
    (request,) = made.track("Delete Device", "ben", context=DEVICE, at=1).requests
    assert (request.outcome, request.reason) == ("refused", "not-theirs")
    made.track("Delete Device", "nobody", context=DEVICE, at=1)
    assert list(made.devices()) == ["t-ada"]
    made.track("Delete Device", "ada", context=DEVICE, at=2)
    assert made.devices() == {}


@pytest.mark.parametrize("together", [True, False])
def test_replayed_requests_ask_once(together: bool) -> None:
    """The same message, in one batch or days later, deletes no person who came back."""
    made = shop()
    wire: WireMessage = {
        "type": "track",
        "event": "Delete Person",
        "userId": "ada",
        "messageId": "d",
    }
    made.engine.ingest([wire, wire] if together else [wire])
    made.identify("ada", {"plan": "new"}, at=HOUR)
    result = made.engine.ingest([wire])
    assert (result.duplicates, result.requests, is_known(made)) == (1, [], True)


def test_reordered_requests_erase_nobody_who_was_active_since() -> None:
    """A deletion that arrives after later activity is held; within the tolerance for clocks it runs."""
    made = shop()
    made.track("purchase", "ada", at=60)
    (late,) = made.track("Delete Person", "ada", at=10, arrives=61).requests
    assert (late.outcome, late.reason, is_known(made)) == ("held", "overtaken", True)
    assert made.engine.requests.approve(late.key, by="lena").outcome == "ran"
    near = shop()
    near.track("purchase", "ada", at=60)
    near.track("Delete Person", "ada", at=58, arrives=61)
    near.track("purchase", "ada", at=59, arrives=62)
    assert not is_known(near)


def test_an_anonymous_request_never_becomes_somebodys() -> None:
    """It may be claimed by identify, by a track with both ids, or by alias, before or after it arrives."""
    made = shop()
    for place, name in enumerate(("Delete Person", "Suppress Person", "Delete Device")):
        made.track(name, anonymous="anon-2", context=DEVICE, at=place, message_id=f"d-{place}")
    made.identify("ada", anonymous="anon-2", at=5)
    made.track("purchase", "ada", anonymous="anon-2", at=6)
    made.alias("ada", "anon-2", at=7)
    made.track("Delete Person", anonymous="anon-2", at=1, arrives=8)
    made.run(9 * DAY)
    asked = [each for each in made.requests() if "Create" not in each[0]]
    assert {(outcome, reason) for _, outcome, reason in asked} == {("refused", "not-identified")}
    assert is_known(made)


def test_alias_takes_nobody_over_from_a_client() -> None:
    """It is held, whichever id comes first; an approval needs an allowed name."""
    made = world(guard("merges", ["Merge People"], approvals={"needed": 1, "by": ["lena"]}))
    made.identify("ada", {"card": "gold"}, at=0)
    made.identify("mallory", {}, at=0)
    made.alias("mallory", "ada", source="client", at=1)
    made.alias("ada", "mallory", source="client", at=1)
    assert made.attributes("mallory") == {}
    assert is_known(made)
    (first, _) = made.engine.requests.list(RequestOutcome.HELD)
    with pytest.raises(RequestError, match="not-allowed"):
        made.engine.requests.approve(first.key, by="mallory")


def test_alias_brings_nobody_back() -> None:
    """A merge with a deleted or suppressed person takes over nothing, and keeps no trace of the id."""
    made = shop()
    made.track("purchase", "ada", {"secret": "zx81"}, at=1)
    made.track("Suppress Person", "ada", at=2)
    made.alias("ben", "ada", at=3)
    made.alias("ben", "anon-1", at=3)
    made.alias("ada", "ben", at=4)
    assert (is_known(made), is_known(made, "ben")) == (False, True)
    held = repr(contents(made.memory))
    assert "zx81" not in held
    assert "'ada'" not in held
    assert "anon-1" not in held


def test_a_device_that_was_a_deleted_persons_shows_nothing_of_them() -> None:
    """Late anonymous messages stay ignored, whoever claims the device next; new ones are that person's."""
    made = shop()
    made.track("Delete Person", "ada", at=10)
    made.track("purchase", anonymous="anon-1", at=5, arrives=11, message_id="late")
    made.track("purchase", anonymous="anon-1", at=12, message_id="new")
    made.identify("ben", anonymous="anon-1", at=13)
    assert "late" not in made.messages()
    assert made.owners()["new"] == "ben"


def test_unsuppressing_lifts_what_was_suppressed_in_that_name() -> None:
    """Also for the person's devices; a device of another suppressed person stays suppressed."""
    made = shop()
    made.identify("ben", anonymous="anon-1", at=1)
    made.track("Suppress Person", "ada", at=2)
    made.track("Suppress Person", "ben", at=3)
    made.track("Unsuppress Person", "ada", at=4)
    made.track("purchase", anonymous="anon-1", at=5, message_id="silent")
    assert "silent" not in made.messages()
    made.track("Unsuppress Person", "ben", at=6)
    made.track("purchase", anonymous="anon-1", at=7, message_id="heard")
    assert "heard" in made.messages()


def test_of_two_who_agree_at_once_each_counts_once(tmp_path: Path) -> None:
    """Simultaneous approvals with one name count as one; with two names they are two, and it runs once."""
    book = guard("deletions", ["Delete Person"], approvals=2)
    made = World([book], f"sqlite:///{tmp_path}/race.db")
    made.identify("ada", at=0)
    (request,) = made.track("Delete Person", "ada", at=1).requests
    barrier, done = Barrier(6), list[str]()

    def agree(by: str) -> None:
        barrier.wait()
        try:
            done.append(made.engine.requests.approve(request.key, by=by).outcome)
        except RequestError as error:
            done.append(error.code)

    threads = [Thread(target=agree, args=(by,)) for by in ["lena"] * 3 + ["omar"] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done).count("ran") == 1
    assert done.count("held") == 1
    assert set(done) <= {"ran", "held", "approved-already", "not-held"}
    assert made.person("ada") is None
    assert made.engine.audit.verify() == []


def test_a_clock_that_is_turned_shortens_no_wait() -> None:
    """Only the engine's clock counts for the cool-off, not the sender's."""
    made = shop(cool_off="7d", stale_after="72h")
    wire: dict[str, JsonValue] = {"type": "track", "event": "Delete Person", "userId": "ada"}
    for timestamp, sent_at in ((after(-2 * DAY), after(0)), (after(9 * DAY), after(9 * DAY))):
        wire["timestamp"], wire["sentAt"] = timestamp.isoformat(), sent_at.isoformat()
        made.engine.ingest([wire])
    made.run(6 * DAY)
    assert is_known(made)
    held = made.engine.requests.list(RequestOutcome.HELD)
    assert all(r.asked_at == after(0) for r in held)


def test_a_future_or_ancient_timestamp_gets_around_nothing() -> None:
    """A time in the future counts as now; one in the past is stale."""
    made = shop()
    old = made.track("Delete Person", "ada", at=-30 * DAY, arrives=1).requests[0]
    assert (old.outcome, old.reason) == ("refused", "stale")
    made.track("Delete Person", "ada", at=9 * DAY, arrives=2)
    made.identify("ada", {"plan": "new"}, at=3)
    assert made.attributes("ada") == {"plan": "new"}


def test_a_flood_through_many_keys_opens_the_breaker() -> None:
    """However the requests are spread over users, devices, batches, both spellings and both actions."""
    made = shop(limits=["3 per 1h"], sources={"client": "run"})
    names = ("Delete Person", "User Deleted", "Suppress Person", "User Suppressed")
    for number in range(40):
        made.track(
            names[number % 4],
            f"victim-{number}",
            anonymous=f"anon-{number}",
            source=("server", "client")[number % 2],
            at=1 + number / 100,
        )
    ran = [each for each in made.requests() if each[1] == "ran" and "Create" not in each[0]]
    assert len(ran) == 3
    assert len(made.engine.requests.list(RequestOutcome.HELD)) == 37


LOOK_ALIKES = [
    "delete person",
    "Delete  Person",
    "Delete Person ",
    "Delete\u00a0Person",
    "Delete Реrson",
    "Ｄｅｌｅｔｅ Person",
    "Delete\u200bPerson",
    "Delete Pers\u03bfn",
    "D\u00e9lete Person",
    "\u202enosreP eteleD",
]


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_names_that_look_alike_run_nothing(name: str) -> None:
    """Such an event is an ordinary one."""
    made = shop()
    assert made.track(name, "ada", at=1).requests == []
    assert is_known(made)


@pytest.mark.parametrize("user", ["аda", "ada\u200b", "ADA", "ａｄａ", "a da"])
def test_ids_that_look_alike_are_other_people(user: str) -> None:
    """Deleting one person leaves the other: ids are compared exactly."""
    made = shop()
    result = made.engine.ingest([{"type": "track", "event": "Delete Person", "userId": user}])
    assert result.accepted + len(result.rejected) == 1
    assert is_known(made)


def _nested(depth: int) -> JsonValue:
    value: JsonValue = "bottom"
    for _ in range(depth):
        value = {"deeper": value}
    return value


@pytest.mark.parametrize(
    "properties", [_nested(190), _nested(5000), {"x": "y" * 40_000}, {"k" * 20_000: 1}]
)
def test_oversized_and_deep_properties_stop_nothing(properties: JsonValue) -> None:
    """They are accepted or refused with a code; later messages are handled as before."""
    made = shop()
    wire: WireMessage = {
        "type": "track",
        "event": "Delete Person",
        "userId": "ben",
        "properties": properties,
    }
    result = made.engine.ingest([wire], source="client")
    assert result.accepted + len(result.rejected) == 1
    assert all(request.outcome == "held" for request in result.requests)
    assert made.engine.audit.verify() == []


INJECTIONS = [
    "ada' OR '1'='1",
    'ada"; DROP TABLE whereupon_person; --',
    "%",
    "_da",
    "ada'); DELETE FROM whereupon_audit; --",
    "{{ person.plan }}",
    "{% for i in (1..9999999) %}x{% endfor %}",
    "$[0]",
    '["ada"]',
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_ids_and_names_are_never_read_as_sql_or_templates(text: str, tmp_path: Path) -> None:
    """On a database: as a user id, an actor, a property and an object's id."""
    made = World([guard("d", ["Delete Person"])], f"sqlite:///{tmp_path}/sql.db")
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("Delete Person", text, {"objectId": text}, at=1)
    made.track("Delete Object", "ada", {"objectId": text}, at=1)
    (held,) = made.track("Delete Person", "ada", source="client", at=1).requests
    with pytest.raises(WhereuponError):
        made.engine.requests.approve(held.key, by="ada")
    made.engine.requests.erase(text, by=f"lena {text}", dry_run=True)
    assert made.attributes("ada") == {"plan": "pro"}
    assert made.engine.audit.verify() == []


def _bomb(folder: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)
    ]
    (folder / "bomb.yaml").write_text("\n".join(lines))


def _tag(folder: Path) -> None:
    (folder / "tag.yaml").write_text(
        "guard: tag\nactions: !!python/object/apply:os.system ['true']\n"
    )


def _link(folder: Path) -> None:
    outside = folder.parent / "outside.yaml"
    outside.write_text("guard: outside\nactions: [Delete Person]\nsources: {client: run}\n")
    (folder / "outside.yaml").symlink_to(outside)


def _loop(folder: Path) -> None:
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")


def _deep(folder: Path) -> None:
    (folder / "deep.yaml").write_text("guard: deep\nprotect: " + "{a: " * 5000 + "1" + "}" * 5000)


@pytest.mark.parametrize("attack", [_bomb, _tag, _link, _loop, _deep])
def test_a_hostile_rules_folder_is_reported_and_guards_nothing_down(
    attack: Callable[[Path], None], tmp_path: Path
) -> None:
    """Bombs, tags, links to the outside and cyclic links: one diagnostic each, and no guard file is read from them."""
    folder = tmp_path / "rules"
    folder.mkdir()
    attack(folder)
    book, diagnostics = load_rules(folder)
    assert diagnostics
    assert book.guards == ()
    with pytest.raises(WhereuponError):
        Engine.open("memory://", rules=folder)


def test_an_import_takes_no_detour() -> None:
    """Deletions and merges in imported history neither run nor wait for an approval."""
    made = shop()
    history = [
        message("h-1", name="Delete Person", user="ada", at=1),
        message("h-2", type_=MessageType.ALIAS, user="ben", target="ada", at=1),
    ]
    made.engine.take([each.changed(origin=each.origin.IMPORT) for each in history])
    assert {outcome for _, outcome, _ in made.requests()[1:]} == {"refused"}
    assert is_known(made)


def test_a_frozen_engine_runs_nothing_early() -> None:
    """Waking up to an instant runs what is due by then, and no request that is due later."""
    made = shop(cool_off="1d")
    made.track("Delete Person", "ada", at=0)
    made.run(DAY - 1)
    assert is_known(made)
    assert isinstance(made.clock, FrozenClock)
    made.clock.move_to(made.clock.now() + timedelta(minutes=2))
    made.engine.run_due()
    assert not is_known(made)
