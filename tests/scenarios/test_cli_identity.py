"""`whereupon identity` and `identify` as operators use them."""

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
    """A shop in which an unknown visitor has just played a game."""
    path = tmp_path / "shop.db"
    now = datetime.now(UTC)  # noqa: TID251 - the command asks the system's clock
    with Engine.open(f"sqlite:///{path}", rules=ROOT / "rules", clock=FrozenClock(now)) as engine:
        engine.track("played_game", anonymous_id="anon-1", message_id="game")
    return path


def identify(database: Path, *arguments: str) -> tuple[str, ...]:
    """The arguments that identify ada in that shop."""
    store = f"sqlite:///{database}"
    return ("identify", "ada", "--anonymous", "anon-1", "--store", store, *arguments)


def test_a_dry_run_says_what_would_happen_and_changes_no_byte(database: Path) -> None:
    """What would be claimed, what that would trigger, and what would be sent."""
    before = sha256(database.read_bytes()).digest()
    output = whereupon(*identify(database, "--dry-run", "--traits", '{"first_name": "Ada"}'))
    assert (output.status, output.stderr) == (0, "")
    lines = output.stdout.splitlines()
    assert lines[:2] == [
        "A dry run: nothing was written, and nothing is sent.",
        "Identifying ada would claim 1 message:",
    ]
    assert "  ada enters game-points by played_game, retroactively" in lines
    assert "  push to ada (game-points): “10 points for you, Ada”" in lines
    assert sha256(database.read_bytes()).digest() == before
    assert whereupon("identity", "ada", "--store", f"sqlite:///{database}").status == 1


def test_a_dry_run_notes_no_broadcast_that_the_rules_schedule(tmp_path: Path) -> None:
    """Also if no engine has opened the store with these rules before."""
    database = tmp_path / "shop.db"
    Engine.open(f"sqlite:///{database}").close()
    before = sha256(database.read_bytes()).digest()
    assert whereupon(*identify(database, "--dry-run")).status == 0
    assert sha256(database.read_bytes()).digest() == before


def test_a_dry_run_prints_json_lines_with_a_summary_last(database: Path) -> None:
    """Each record names its kind."""
    output = whereupon(*identify(database, "--dry-run", "--json")).records
    assert [record["kind"] for record in output] == ["claimed", "decision", "delivery", "preview"]
    assert output[-1] == {
        "kind": "preview",
        "silenced": False,
        "claimed": 1,
        "decisions": 1,
        "deliveries": 1,
        "waiting": 0,
    }


def test_without_a_dry_run_it_is_done(database: Path) -> None:
    """The claim is recorded, its decisions are printed, and its delivery waits in the outbox."""
    store = f"sqlite:///{database}"
    done = whereupon(*identify(database, "--traits", '{"first_name": "Ada"}'))
    assert (done.status, done.stdout.splitlines()) == (
        0,
        ["ada is identified.", "ada enters game-points by played_game, retroactively"],
    )
    (delivery,) = whereupon("deliveries", "--store", store, "--json").records
    assert (delivery["rule"], delivery["state"]) == ("game-points", "pending")
    output = whereupon("identity", "ada", "--store", store, "--json").records
    assert [record["kind"] for record in output] == ["identity", "claim", "claimed", "explanation"]
    assert output[2]["by"] == output[1]["message_id"]
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
def test_a_senseless_identify_exits_with_two(arguments: tuple[str, ...]) -> None:
    """No store, a missing store, an invalid id, or traits that are not an object."""
    ended = whereupon("identify", *arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr
    assert not (ROOT / "no-such-file.db").exists()


# --- identity -----------------------------------------------------------------------------------


def test_identity_says_who_claimed_a_device_and_what_that_brought() -> None:
    """Each claim with its message, each message with what followed."""
    output = whereupon("identity", "mia", "--stream", SHOPPING)
    assert output.status == 0
    lines = output.stdout.splitlines()
    assert lines[0] == "mia is known as mia."
    start = lines.index("anon-laptop")
    assert lines[start + 1].strip() == (
        "2026-03-13T09:00:00Z mia's, by 21-identify-mia-on-laptop-claims-17-to-19"
    )
    assert any(line.strip().startswith("mia entered sock-thanks by purchase") for line in lines)
    assert any("noah's, by 25-identify-noah-on-the-same-laptop" in line for line in lines)


def test_identity_shows_nothing_of_the_others_on_a_device() -> None:
    """Only the other person's user id and the time of their claim are shown, not what they did."""
    output = whereupon("identity", "noah", "--stream", SHOPPING, "--json").records
    theirs = [
        record for record in output if record["kind"] == "claim" and record["person"] == "mia"
    ]
    assert theirs
    claims = {record["message_id"] for record in theirs}
    assert not [record for record in output if record.get("by") in claims]
    assert {r["person"] for r in output if r["kind"] == "explanation"} == {"noah"}


def test_identity_of_an_unknown_person_names_similar_ids() -> None:
    """The exit status is 1, as for explain."""
    output = whereupon("identity", "mai", "--stream", SHOPPING)
    assert (output.status, output.stdout) == (1, "")
    assert output.stderr == "whereupon: nobody is known as 'mai' here; similar ids: mia\n"


def test_identity_asks_one_place() -> None:
    """Either a store or a stream must be given, and not both."""
    assert whereupon("identity", "mia").status == 2
    both = ("--stream", SHOPPING, "--store", "memory://")
    assert whereupon("identity", "mia", *both).status == 2
