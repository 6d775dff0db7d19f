"""`whereupon keys`, as operators use it: in a terminal, and in a pipe to where secrets are kept."""

import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.scenarios.commands import whereupon, whereupon_process

from whereupon import Engine

THEIRS = "0f9c3d7be6a1428590bd"
"""A secret as other providers make them."""


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Where a store will be; there is none yet."""
    return f"sqlite:///{tmp_path}/shop.db"


def secrets_of(store: str, *arguments: str) -> tuple[str, str]:
    """Make a key; its secret, and its id."""
    made = whereupon("keys", "create", *arguments, "--store", store)
    assert made.status == 0, made.stderr
    (found,) = whereupon("keys", "check", "--store", store, "--json", typed=made.stdout).records
    return made.stdout.strip(), str(found["id"])


def test_a_secret_is_alone_on_standard_output(database: str) -> None:
    """So that it can be piped; what people read goes to standard error, and has the beginning of it."""
    made = whereupon("keys", "create", "the shop", "--store", database)
    assert made.status == 0
    assert made.stdout.startswith("wk_")
    assert made.stdout.count("\n") == 1
    secret = made.stdout.strip()
    assert "“the shop”" in made.stderr
    assert secret not in made.stderr
    with Engine.open(database) as engine:
        key = engine.keys.verify(secret)
        assert key is not None
        assert key.name == "the shop"
        (row,) = engine.audit.rows()
        assert (row.facts["kind"], row.facts["actor"]) == ("key-created", getpass.getuser())


def test_a_key_is_made_with_all_that_it_may_have(store: str) -> None:
    """The options say what the library's arguments say, and the object has all of it."""
    said = (
        "--kind",
        "client",
        "--origin",
        "https://Shop.example",
        "--origin",
        "http://localhost:80",
    )
    limited = (
        "--limit",
        "100 per 1m",
        "--burst",
        "7",
        "--shadow",
        "--expires",
        "90d",
        "--id",
        "web",
    )
    done = whereupon(
        *("keys", "create", "page", *said, *limited, "--by", "ann", "--store", store, "--json")
    )
    (made,) = done.records
    before = datetime.now(UTC)  # noqa: TID251 - the command asks the system's clock
    assert str(made.pop("secret")).startswith("wk_")
    assert made["origins"] == ["https://shop.example", "http://localhost"]
    assert made["limit"] == {"messages": 100, "seconds": 60.0, "burst": 7}
    assert (made["id"], made["key_kind"], made["shadow"]) == ("web", "client", True)
    expires = datetime.fromisoformat(str(made["expires_at"]))
    assert timedelta(days=89) < expires - before <= timedelta(days=90)
    (listed,) = whereupon("keys", "list", "--store", store, "--json").records
    assert listed == made
    roles = ("keys", "create", "ops", "--kind", "management", "--role", "approver")
    (operator,) = whereupon(*roles, "--store", store, "--json").records
    assert operator["scopes"] == ["approver"]


def test_good_keys_are_listed_for_people(store: str) -> None:
    """Those that are not good only if they are asked for; no line has a secret."""
    secret, key = secrets_of(store, "shop", "--limit", "5 per 1s")
    _, other = secrets_of(store, "old", "--expires", "2099-01-31T00:00:00Z")
    assert whereupon("keys", "revoke", other, "--store", store).status == 0
    listed = whereupon("keys", "list", "--store", store).stdout
    (line,) = listed.splitlines()
    assert line == (
        f"{key}  server  “shop”  {secret[:7]}…  good  messages read send  "
        "5 per 1s, 5 at once  never used"
    )
    assert "revoked 20" in whereupon("keys", "list", "--all", "--store", store).stdout
    whereupon("keys", "revoke", key, "--store", store)
    assert whereupon("keys", "list", "--store", store).stdout == "There are no such keys.\n"


def test_a_secret_is_rotated_and_the_old_one_is_good_for_a_time(store: str) -> None:
    """As long as the overlap; the list says until when, and whether it was used."""
    old, key = secrets_of(store, "shop")
    rotated = whereupon("keys", "rotate", key, "--overlap", "7d", "--store", store)
    new = rotated.stdout.strip()
    with Engine.open(store) as engine:
        assert engine.keys.verify(old)
        assert engine.keys.verify(new)
    line = whereupon("keys", "list", "--store", store).stdout
    assert "(its old secret: good until" in line
    assert ", used 20" in line
    at_once = whereupon("keys", "rotate", key, "--overlap", "0s", "--store", store)
    assert whereupon("keys", "check", "--store", store, typed=at_once.stdout).status == 0
    for secret in (old, new):
        checked = whereupon("keys", "check", "--store", store, typed=secret)
        assert checked.status == 1
        assert "replaced-secret" in checked.stderr


def test_a_secret_of_another_provider_is_read_from_standard_input(store: str) -> None:
    """It is printed nowhere; applications go on with it, under the site id that they have."""
    adopted = whereupon_process(
        *("keys", "create", "apps", "--adopt", "--id", "site-1", "--store", store),
        stdin=f"{THEIRS}\n",
    )
    assert (adopted.status, adopted.stdout) == (0, "")
    assert THEIRS not in adopted.stderr
    (as_object,) = whereupon(
        *("keys", "create", "more", "--adopt", "--store", store, "--json"), typed=THEIRS[::-1]
    ).records
    assert "secret" not in as_object
    with Engine.open(store) as engine:
        key = engine.keys.verify(THEIRS)
        assert key is not None
        assert key.id == "site-1"
    for wrong in ("", "short", "a" * 30, THEIRS):
        refused = whereupon("keys", "create", "x", "--adopt", "--store", store, typed=wrong)
        assert refused.status == 2
        assert not wrong or wrong not in refused.stderr
        assert refused.stdout == ""


def test_a_key_is_changed_and_what_is_not_named_stays(store: str) -> None:
    """An option that takes something back says so in its name."""
    secret, key = secrets_of(store, "shop", "--limit", "5 per 1s", "--expires", "9d")
    change = ("keys", "change", key, "--store", store)
    (shadowed,) = whereupon(*change, "--shadow", "--name", "web shop", "--json").records
    assert (shadowed["name"], shadowed["shadow"]) == ("web shop", True)
    assert shadowed["limit"] is not None
    free = ("--no-limit", "--never-expires", "--no-shadow", "--scope", "messages")
    (freed,) = whereupon(*change, *free, "--json").records
    assert (freed["limit"], freed["expires_at"], freed["shadow"]) == (None, None, False)
    assert freed["scopes"] == ["messages"]
    assert whereupon("keys", "check", "--store", store, typed=secret).status == 0
    for wrong in ((), ("--burst", "4"), ("--limit", "5 per 1s", "--no-limit"), ("--limit", "x")):
        assert whereupon(*change, *wrong).status == 2
    for wrong in (("--expires", "soon"), ("--expires", "2001-01-01T00:00:00Z")):
        assert whereupon(*change, *wrong).status == 2


def test_who_names_a_key_that_is_not_there_is_told_so(store: str) -> None:
    """A finding, not a wrong use; and a secret that was typed in place of the id is not repeated."""
    secret, _ = secrets_of(store, "shop")
    for command in ("revoke", "rotate"):
        refused = whereupon("keys", command, secret, "--store", store)
        assert refused.status == 1
        assert "there is no API key" in refused.stderr
        assert secret not in refused.stderr
    unknown = whereupon("keys", "check", "--store", store, typed="wk_nobody")
    assert (unknown.status, unknown.stdout) == (1, "")
    assert unknown.stderr == "whereupon: no key has this secret\n"


def test_what_is_not_there_is_made_by_create_alone(tmp_path: Path) -> None:
    """A list of a store that does not exist makes no file."""
    store = f"sqlite:///{tmp_path}/none.db"
    listed = whereupon("keys", "list", "--store", store)
    assert listed.status == 2
    assert list(tmp_path.iterdir()) == []


def test_the_audit_log_names_keys_and_who_changed_them(store: str) -> None:
    """In the order of what happened."""
    _, key = secrets_of(store, "shop", "--by", "ann")
    whereupon("keys", "rotate", key, "--by", "ben", "--store", store)
    whereupon("keys", "revoke", key, "--by", "cyd", "--store", store)
    lines = whereupon("audit", "list", "--store", store).stdout.splitlines()
    assert [f"key {key}" in line for line in lines] == [True] * 3
    for line, kind, actor in zip(
        lines, ("key-created", "key-rotated", "key-revoked"), ("ann", "ben", "cyd"), strict=True
    ):
        assert f"  {kind}  " in line
        assert f"  actor {actor}  " in line
