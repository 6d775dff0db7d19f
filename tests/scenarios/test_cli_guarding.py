"""Requests, erasure and the audit log on the command line, as operators use them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.paths import ROOT
from tests.scenarios.commands import Finished, whereupon

from whereupon.engine import Engine

KEY = "a secret of the shop's"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store of a shop in which a browser asked to delete ada."""
    monkeypatch.setenv("WHEREUPON_DIGEST_KEY", KEY)
    url = f"sqlite:///{tmp_path}/shop.db"
    with Engine.open(url, rules=ROOT / "rules", digest_key=KEY.encode()) as engine:
        engine.identify("ada", traits={"first_name": "Ada"})
        engine.identify("lin", traits={"staff": True})
        engine.track("Delete Person", user_id="ada", source="client")
    return url


def number_of(store: str) -> int:
    """The number of the held request."""
    (request,) = whereupon("requests", "list", "--store", store, "--json").of_kind("request")
    number = request["request"]
    assert isinstance(number, int)
    return number


def decide(store: str, *arguments: object) -> Finished:
    """Decide the held request."""
    verb, *rest = arguments
    return whereupon("requests", verb, number_of(store), "--store", store, *rest)


def test_an_unknown_id_is_named_with_similar_ids(store: str) -> None:
    """A misspelt id in a deletion that the law requires must not pass for the deletion."""
    tried = whereupon("erase", "Ada", "--dry-run", "--by", "omar", "--store", store)
    done = whereupon("erase", "Ada", "--yes", "--by", "omar", "--store", store)
    for output in (tried, done):
        assert "ran  Delete Person of Ada" in output.stdout
        assert "and found nothing: nobody is known by that id" in output.stdout
        assert output.stderr == "whereupon: nobody is known as 'Ada' here; similar ids: ada\n"
    meant = whereupon("erase", "ada", "--yes", "--by", "omar", "--store", store)
    assert (meant.stderr, "found nothing" in meant.stdout) == ("", False)


def test_what_waits_is_listed_shown_and_approved(store: str) -> None:
    """The operator's name is checked; the plan is shown before and after."""
    listed = whereupon("requests", "list", "--store", store)
    assert "held  Delete Person of ada" in listed.stdout
    number = number_of(store)
    shown = whereupon("requests", "show", number, "--store", store)
    assert "1 messages, 1 identifiers, 1 persons would go" in shown.stdout
    assert "judged" in shown.stdout
    refused = decide(store, "approve", "--by", "eve")
    assert (refused.status, "not-allowed" in refused.stderr) == (1, True)
    done = decide(store, "approve", "--by", "lena", "--json")
    assert [(r["outcome"], r["person"], r["counts"]) for r in done.records] == [
        ("ran", "ada", {"messages": 1, "identifiers": 1, "persons": 1})
    ]
    receipt = whereupon("audit", "show", number, "--store", store)
    assert "Erased: 1 identifiers, 1 messages, 1 persons." in receipt.stdout
    assert "Agreed to by lena." in receipt.stdout
    (record,) = whereupon("audit", "show", number, "--store", store, "--json").of_kind("receipt")
    assert record["outcome"] == "ran"
    assert decide_again(store, number).status == 1


def decide_again(store: str, number: int) -> Finished:
    """Try to approve a request that has ended."""
    return whereupon("requests", "approve", number, "--store", store, "--by", "lena")


@pytest.mark.parametrize(
    "command",
    [
        ("requests", "show", 10**30),
        ("requests", "approve", 10**30, "--by", "lena"),
        ("requests", "list", "--limit", 10**30),
        ("audit", "show", 10**30),
        ("audit", "list", "--after", 10**30),
        ("deliveries", "--limit", 10**30),
    ],
)
def test_a_number_beyond_every_database_is_wrong_usage(
    store: str, command: tuple[object, ...]
) -> None:
    """A mistyped number is reported as such."""
    done = whereupon(*command, "--store", store)
    assert (done.status, "less than or equal to" in done.stderr) == (2, True)


def test_a_request_is_called_off(store: str) -> None:
    """It is final; the request is listed with the ended ones."""
    assert "cancelled" in decide(store, "cancel", "--by", "omar").stdout
    assert "There are no such requests." in whereupon("requests", "list", "--store", store).stdout
    everything = whereupon("requests", "list", "--all", "--store", store, "--json")
    assert [each["outcome"] for each in everything.of_kind("request")] == ["cancelled"]


def test_a_dry_run_says_what_would_go_and_who_objects(store: str) -> None:
    """Nothing is done; for a protected person the exit status is 1."""
    tried = whereupon("erase", "ada", "--dry-run", "--by", "omar", "--store", store)
    assert "nothing was done" in tried.stdout
    assert "would go" in tried.stdout
    staff = whereupon("erase", "lin", "--dry-run", "--by", "omar", "--store", store)
    assert (staff.status, "protected (staff is true)" in staff.stdout) == (1, True)
    assert len(whereupon("audit", "list", "--store", store).stdout.splitlines()) == 1
    done = whereupon("erase", "ada", "--yes", "--by", "omar", "--store", store, "--json")
    assert [each["outcome"] for each in done.records] == ["ran"]


def test_a_breaker_is_closed_by_a_decider_whom_the_guard_names(store: str) -> None:
    """It is listed while it is open, with the command that closes it."""
    for number in range(6):
        whereupon("erase", f"p-{number}", "--yes", "--by", "omar", "--store", store)
    listed = whereupon("requests", "list", "--store", store)
    assert "whereupon requests close-breaker deletions --by NAME" in listed.stdout
    close = ("requests", "close-breaker", "deletions", "--store", store, "--by")
    assert whereupon(*close, "eve").status == 1
    closed = whereupon(*close, "lena", "--json")
    assert [each["outcome"] for each in closed.records] == ["ran"]
    assert whereupon(*close, "lena").status == 1


def test_a_log_that_was_tampered_with_is_found_out(store: str, tmp_path: Path) -> None:
    """An edited row, and rows removed at the end, which only a kept head shows."""
    decide(store, "approve", "--by", "lena")
    assert (
        "3 rows, each as it was written." in whereupon("audit", "verify", "--store", store).stdout
    )
    *rows, head = whereupon("audit", "export", "--store", store).records
    assert ([row["sequence"] for row in rows], head["kind"]) == ([1, 2, 3], "head")
    kept = f"{head['sequence']}:{head['hash']}"
    verify = ("audit", "verify", "--store", store)
    assert whereupon(*verify, "--head", kept).status == 0
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("UPDATE whereupon_audit SET record = '{}' WHERE sequence = 2")
    found = whereupon(*verify)
    assert (found.status, "row 2: edited" in found.stdout) == (1, True)
    flaws = whereupon(*verify, "--json").of_kind("flaw")
    assert [(flaw["sequence"], flaw["code"]) for flaw in flaws] == [(2, "edited")]
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("DELETE FROM whereupon_audit WHERE sequence > 1")
    assert "row 2: rows-missing" in whereupon(*verify, "--head", kept).stdout
    assert whereupon(*verify, "--head", "nonsense").status == 2


def test_a_log_made_unreadable_can_still_be_looked_at(store: str, tmp_path: Path) -> None:
    """The other rows are needed most at that time."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("UPDATE whereupon_audit SET record = 'no JSON'")
    number = number_of(store)
    for command in (("list",), ("list", "--json"), ("export",), ("show", number)):
        assert whereupon("audit", *command, "--store", store).status == 0
    assert whereupon("requests", "show", number, "--store", store).status == 0
    assert whereupon("audit", "verify", "--store", store).status == 1


def test_scrubbing_is_a_command(store: str) -> None:
    """It prints that nothing is left."""
    decide(store, "approve", "--by", "lena")
    assert "Nothing of erased persons is left" in whereupon("scrub", "--store", store).stdout


def test_another_key_is_refused(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do; a former key may be given after the new one."""
    monkeypatch.setenv("WHEREUPON_DIGEST_KEY", "another")
    refused = whereupon("audit", "verify", "--store", store)
    assert (refused.status, "other-key" in refused.stderr) == (2, True)
    monkeypatch.setenv("WHEREUPON_DIGEST_KEY", f"another,{KEY}")
    assert whereupon("audit", "verify", "--store", store).status == 0


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Asking for a receipt makes no database."""
    asked = whereupon("requests", "list", "--store", f"sqlite:///{tmp_path}/none.db")
    assert (asked.status, (tmp_path / "none.db").exists()) == (2, False)
