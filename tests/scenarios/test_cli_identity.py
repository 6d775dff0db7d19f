"""`whereupon identity` and `identify` as the person on call meets them."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from tests.paths import ROOT
from tests.scenarios.commands import STREAMS, whereupon

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

SHOPPING = STREAMS / "anonymous-shopping.jsonl"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A shop where somebody unknown played a game just now."""
    path = tmp_path / "shop.db"
    now = datetime.now(UTC)  # noqa: TID251 - the command asks the system's clock
    with Engine.open(f"sqlite:///{path}", rules=ROOT / "rules", clock=FrozenClock(now)) as engine:
        engine.track("played_game", anonymous_id="anon-1", message_id="game")
    return path


def identify(database: Path, *arguments: str) -> tuple[str, ...]:
    """The arguments that identify ada there."""
    store = f"sqlite:///{database}"
    return ("identify", "ada", "--anonymous", "anon-1", "--store", store, *arguments)


def test_a_dry_run_says_what_would_happen_and_changes_no_byte(database: Path) -> None:
    """What would be claimed, what that would trigger, and what would be sent."""
    before = sha256(database.read_bytes()).digest()
    told = whereupon(*identify(database, "--dry-run", "--traits", '{"first_name": "Ada"}'))
    assert (told.status, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert lines[:2] == [
        "A dry run: nothing was written, and nothing is sent.",
        "Identifying ada would claim 1 message:",
    ]
    assert "  ada enters game-points by played_game, retroactively" in lines
    assert "  push to ada (game-points): “10 points for you, Ada”" in lines
    assert sha256(database.read_bytes()).digest() == before
    assert whereupon("identity", "ada", "--store", f"sqlite:///{database}").status == 1


def test_a_dry_run_notes_no_broadcast_that_the_rules_schedule(tmp_path: Path) -> None:
    """Nor does it where no engine has opened the store under these rules before."""
    database = tmp_path / "shop.db"
    Engine.open(f"sqlite:///{database}").close()
    before = sha256(database.read_bytes()).digest()
    assert whereupon(*identify(database, "--dry-run")).status == 0
    assert sha256(database.read_bytes()).digest() == before


def test_a_dry_run_prints_json_lines_with_a_summary_last(database: Path) -> None:
    """Each record says of what kind it is."""
    told = whereupon(*identify(database, "--dry-run", "--json")).records
    assert [record["kind"] for record in told] == ["claimed", "decision", "delivery", "preview"]
    assert told[-1] == {
        "kind": "preview",
        "silenced": False,
        "claimed": 1,
        "decisions": 1,
        "deliveries": 1,
        "waiting": 0,
    }


def test_without_a_dry_run_it_is_done(database: Path) -> None:
    """The claim is recorded, its decisions are told, and its delivery waits in the outbox."""
    store = f"sqlite:///{database}"
    done = whereupon(*identify(database, "--traits", '{"first_name": "Ada"}'))
    assert (done.status, done.stdout.splitlines()) == (
        0,
        ["ada is identified.", "ada enters game-points by played_game, retroactively"],
    )
    (delivery,) = whereupon("deliveries", "--store", store, "--json").records
    assert (delivery["rule"], delivery["state"]) == ("game-points", "pending")
    told = whereupon("identity", "ada", "--store", store, "--json").records
    assert [record["kind"] for record in told] == ["identity", "claim", "claimed", "explanation"]
    assert told[2]["by"] == told[1]["message_id"]
    assert whereupon(*identify(database, "--json")).records == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("ada", "--dry-run"),
        ("ada", "--dry-run", "--store", "sqlite:///no-such-file.db"),
        ("guest", "--dry-run", "--store", "memory://"),
        ("ada", "--traits", "{", "--store", "memory://"),
        ("ada", "--traits", "[1]", "--store", "memory://"),
    ],
)
def test_an_identify_that_makes_no_sense_ends_with_two(arguments: tuple[str, ...]) -> None:
    """No store, a store that is not there, an id that names nobody, traits that are no object."""
    ended = whereupon("identify", *arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr
    assert not (ROOT / "no-such-file.db").exists()


# --- identity -----------------------------------------------------------------------------------


def test_identity_says_who_claimed_a_device_and_what_that_brought() -> None:
    """Each claim with its message, each message with what it led to."""
    told = whereupon("identity", "mia", "--stream", SHOPPING)
    assert told.status == 0
    lines = told.stdout.splitlines()
    assert lines[0] == "mia is known as mia."
    start = lines.index("anon-laptop")
    assert lines[start + 1].strip() == (
        "2026-03-13T09:00:00Z mia's, by 21-identify-mia-on-laptop-claims-17-to-19"
    )
    assert any(line.strip().startswith("mia entered sock-thanks by purchase") for line in lines)
    assert any("noah's, by 25-identify-noah-on-the-same-laptop" in line for line in lines)


def test_identity_tells_nothing_of_the_others_on_a_device() -> None:
    """Their user id and when they claimed it; not what they did."""
    told = whereupon("identity", "noah", "--stream", SHOPPING, "--json").records
    theirs = [record for record in told if record["kind"] == "claim" and record["person"] == "mia"]
    assert theirs
    claims = {record["message_id"] for record in theirs}
    assert not [record for record in told if record.get("by") in claims]
    assert {r["person"] for r in told if r["kind"] == "explanation"} == {"noah"}


def test_identity_of_somebody_unknown_names_who_is_near() -> None:
    """Exit status 1, as with explain."""
    told = whereupon("identity", "mai", "--stream", SHOPPING)
    assert (told.status, told.stdout) == (1, "")
    assert told.stderr == "whereupon: nobody is known as 'mai' here; near it: mia\n"


def test_identity_asks_one_place() -> None:
    """A store or a stream, not none and not both."""
    assert whereupon("identity", "mia").status == 2
    both = ("--stream", SHOPPING, "--store", "memory://")
    assert whereupon("identity", "mia", *both).status == 2
