"""`whereupon import`, `explain`, `deliveries` and `retry` as users meet them."""

import gzip
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue
from tests.paths import ROOT
from tests.scenarios.commands import STREAMS, identify, purchase, whereupon
from tests.servers import Server
from tests.stream_files import write_stream

from whereupon import Engine, Retry
from whereupon.messages.times import format_instant
from whereupon.records import Delivery, DeliveryState
from whereupon.replay.stream_replay import BATCH
from whereupon.scheduling.clocks import FrozenClock

SHOPPING = STREAMS / "anonymous-shopping.jsonl"
STORY = STREAMS / "source-story.jsonl"


@pytest.fixture
def store(database: str) -> str:
    """The URL of an empty store, on each kind of database."""
    return database


# --- import -------------------------------------------------------------------------------------


def test_old_history_comes_in_and_triggers_nothing(store: str) -> None:
    """Messages older than every `max_age` are history; no destructive action runs."""
    imported = whereupon("import", STORY, "--store", store, "--json")
    assert imported.status == 0
    assert imported.stderr == ""
    summary = imported.records[-1]
    assert (summary["accepted"], summary["entered"], summary["deliveries"]) == (24, 0, 0)
    assert {each["reason"] for each in imported.of_kind("request")} == {
        "not-live",
        "not-identified",
    }


def test_fresh_history_triggers_what_it_still_may(store: str, tmp_path: Path) -> None:
    """A message younger than `max_age` enters, and its delivery waits in the outbox."""
    fresh = datetime.now(UTC) - timedelta(hours=1)  # noqa: TID251 - an import arrives now
    stream = write_stream(
        tmp_path / "fresh.jsonl", identify("ada", format_instant(fresh), email="ada@example.com")
    )
    imported = whereupon("import", stream, "--store", store)
    assert imported.status == 0
    assert "1 entered" in imported.stdout
    listed = whereupon("deliveries", "--store", store, "--json").records
    assert [(each["rule"], each["state"]) for each in listed] == [("welcome", "pending")]


def test_importing_again_changes_nothing(store: str) -> None:
    """Every message is recognised by its id, given or derived."""
    whereupon("import", SHOPPING, "--store", store)
    again = whereupon("import", SHOPPING, "--store", store, "--json").records
    assert [each["kind"] for each in again] == ["summary"]
    assert (again[-1]["accepted"], again[-1]["duplicates"]) == (0, 37)


def test_an_import_needs_a_store() -> None:
    """There is no default store for history to end up in by mistake."""
    ended = whereupon("import", STORY)
    assert ended.status == 2
    assert "--store" in ended.stderr


def _long_stream(folder: Path) -> Path:
    """More messages than one batch takes, each with output."""
    lines = (purchase(f"p{n}", "2026-03-02T09:00:00Z", product="hat") for n in range(BATCH + 1))
    return write_stream(folder / "long.jsonl", *lines)


def test_a_reader_that_goes_away_stops_no_import(store: str, tmp_path: Path) -> None:
    """`| head -1` gets its line, and the whole stream is imported."""
    stream = _long_stream(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "whereupon", "import", str(stream), "--store", store, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"kind"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
    again = whereupon("import", stream, "--store", store, "--json").records[-1]
    assert (again["accepted"], again["duplicates"]) == (0, BATCH + 1)


def test_an_import_that_fails_says_how_much_is_in(store: str, tmp_path: Path) -> None:
    """The output gives the number of imported messages, and the error."""
    packed = tmp_path / "long.jsonl.gz"
    packed.write_bytes(gzip.compress(_long_stream(tmp_path).read_bytes())[:-12])
    ended = whereupon("import", packed, "--store", store)
    assert ended.status == 2
    assert ended.stderr.startswith("stopped: 5,000 messages are imported; run it again to go on\n")
    assert "long.jsonl.gz" in ended.stderr


def test_progress_is_shown_on_a_terminal_only(store: str, tmp_path: Path) -> None:
    """A long stream shows a bar on a terminal's stderr; standard output stays the same."""
    lines = (purchase("ada", "2026-03-02T09:00:00Z", note="x" * 900, n=n) for n in range(1500))
    messages = [line | {"messageId": f"m{n}"} for n, line in enumerate(lines)]
    stream = write_stream(tmp_path / "long.jsonl", *messages)
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "whereupon", "import", str(stream), "--store", store, "--json"],
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16)
    os.close(ours)
    assert b"reading" in shown
    assert b"reading" not in done.stdout
    assert whereupon("import", stream, "--store", store, "--json").stderr == ""


# --- explain ------------------------------------------------------------------------------------


def test_explaining_a_stream_gives_a_sentence_a_message_newest_first() -> None:
    """Each message that named the rule has its sentence, entered or not."""
    output = whereupon("explain", "mia", "abandoned-cart", "--stream", SHOPPING)
    sentences = output.stdout.splitlines()
    assert output.status == 0
    assert sentences[-2] == (
        "mia did not enter abandoned-cart by Product Added of 2026-03-12T18:08:00Z: "
        "the rule asks that price is at least 15, but price was 9."
    )
    assert "was too old to trigger" in sentences[-1]
    assert "retroactively" in sentences[0]
    assert "; email “Your Tea Kettle is waiting” waits to be sent" in sentences[0]
    assert "; the entry exited at 2026-03-13T18:00:00Z, by Order Completed" in sentences[1]


def test_explaining_a_store_says_the_same_as_its_stream(store: str) -> None:
    """Decisions are stored with the facts that decided them."""
    whereupon("replay", SHOPPING, "--store", store, "--quiet")
    kept = whereupon("explain", "mia", "abandoned-cart", "--store", store, "--json")
    streamed = whereupon("explain", "mia", "abandoned-cart", "--stream", SHOPPING, "--json")
    assert kept == streamed
    assert list(kept.records[0]) == [
        "kind",
        "message_id",
        "subject",
        "timestamp",
        "decided_at",
        "person",
        "rule",
        "outcome",
        "reason",
        "retroactive",
        "reworded",
        "sentence",
        "state",
        "waits_until",
        "ended",
        "deliveries",
        "step",
        "trail",
        "converted_at",
    ]
    limited = whereupon("explain", "mia", "abandoned-cart", "--store", store, "--limit", 1)
    assert len(limited.stdout.splitlines()) == 1


def test_an_unknown_person_is_an_error_with_similar_names() -> None:
    """Exit status 1, and the name that was probably meant."""
    output = whereupon("explain", "mai", "abandoned-cart", "--stream", SHOPPING)
    assert (output.status, output.stdout) == (1, "")
    assert output.stderr == "whereupon: nobody is known as 'mai' here; similar ids: mia\n"


def test_a_rule_that_no_message_named_is_explained() -> None:
    """A known person without a decision gets a sentence, not an empty answer."""
    output = whereupon("explain", "mia", "login-alert", "--stream", SHOPPING)
    assert output.status == 0
    assert output.stdout == "mia is known, but no message of theirs named login-alert.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("mia", "abandond-cart", "--stream", SHOPPING),
        ("mia", "abandoned-cart"),
        ("mia", "abandoned-cart", "--stream", SHOPPING, "--store", "memory://"),
        ("mia", "abandoned-cart", "--stream", "no-such-file"),
        ("mia", "abandoned-cart", "--store", "sqlite:///no-such-file.db"),
    ],
)
def test_a_senseless_question_exits_with_two(arguments: tuple[object, ...]) -> None:
    """An unknown rule, no place or two places to look in, or a missing store."""
    ended = whereupon("explain", *arguments)
    assert (ended.status, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert not (ROOT / "no-such-file.db").exists()


def test_a_question_to_a_database_without_a_store_makes_none(server: Server) -> None:
    """The command prints that, and its exit status is 2."""
    with server.empty() as url:
        for command in (("explain", "mia", "abandoned-cart"), ("deliveries",), ("retry", "0" * 32)):
            ended = whereupon(*command, "--store", url)
            assert ended.status == 2
            assert ended.stderr.startswith("whereupon: no-store: ")


def test_no_command_shows_a_password() -> None:
    """Neither in the user part of the URL nor among its options."""
    for url in (
        "postgresql://shop:s3cret@127.0.0.1:1/shop",
        "postgresql://127.0.0.1:1/shop?user=shop&password=s3cret",
        "postgresql+nonsense://shop:s3cret@127.0.0.1:1/shop",
        "postgresql://shop:s3cret@127.0.0.1:port/shop",
        "postgresql://shop:1/s3cret@127.0.0.1/shop",
    ):
        for command in (("deliveries",), ("import", STORY)):
            ended = whereupon(*command, "--store", url)
            assert ended.status == 2
            assert ended.stderr.startswith("whereupon: ")
            assert "s3cret" not in ended.stderr


# --- the outbox ---------------------------------------------------------------------------------


def give_up(store: str) -> Delivery:
    """A delivery that its channel refused until the last attempt."""
    clock = FrozenClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
    with Engine.open(store, rules=ROOT / "rules", clock=clock) as engine:

        @engine.channel("email")
        def email(delivery: Delivery) -> None:
            raise ConnectionError(delivery.channel)

        engine.identify("ada", traits={"email": "ada@example.com"})
        while not (dead := engine.deliveries(DeliveryState.DEAD)):
            clock.move_to(clock.now() + timedelta(hours=8))
            engine.run_due()
        return dead[0]


def test_a_dead_delivery_is_listed_and_can_be_sent_again(store: str) -> None:
    """It is due again, under its old idempotency key."""
    dead = give_up(store)
    output = whereupon("deliveries", "--store", store, "--state", "dead")
    assert dead.idempotency_key in output.stdout
    assert "ConnectionError: email" in output.stdout
    retried = whereupon("retry", dead.idempotency_key, "--store", store)
    assert retried.status == 0
    assert "It is due again." in retried.stdout
    none = whereupon("deliveries", "--store", store, "--state", "dead")
    assert none.stdout == "There are no such deliveries.\n"
    waiting = whereupon("deliveries", "--store", store, "--state", "pending", "--json").records
    assert dead.idempotency_key in {each["idempotency_key"] for each in waiting}


def _give_up_all(store: str) -> int:
    """Let every delivery of the shopping stream fail until it is dead; return how many there are."""
    whereupon("replay", SHOPPING, "--store", store, "--quiet")
    clock = FrozenClock(datetime(2027, 1, 1, tzinfo=UTC))
    policy = Retry(tries=1)
    with Engine.open(store, clock=clock, retry=policy, unknown_channels="hold") as engine:
        for name in ("email", "push", "sms", "in_app"):
            engine.channel(name)(lambda delivery: 1 // len(delivery.person[:0]))
        engine.run_due()
        return len(engine.deliveries(DeliveryState.DEAD))


def test_all_dead_deliveries_are_sent_again_after_a_confirmation(store: str) -> None:
    """The question shows the count; it can be narrowed by channel, rule and age."""
    dead = _give_up_all(store)
    mails = len(
        [
            each
            for each in whereupon("deliveries", "--store", store, "--json").records
            if each["channel"] == "email"
        ]
    )
    assert 1 < mails < dead
    output = whereupon("retry", "--all", "--channel", "email", "--store", store, typed="n\n")
    assert output.status == 1
    assert f"Send {mails} dead deliveries of the channel email again?" in output.stderr
    output = whereupon("retry", "--all", "--channel", "email", "--store", store, typed="y\n")
    assert output.status == 0
    assert output.stdout.endswith(f"{mails} deliveries are due again.\n")
    output = whereupon("retry", "--all", "--rule", "nobody", "--store", store, "--yes")
    assert (output.status, output.stdout) == (1, "")
    output = whereupon("retry", "--all", "--since", "36500d", "--store", store, "--yes")
    assert (output.status, output.stdout) == (0, f"{dead - mails} deliveries are due again.\n")
    assert whereupon("retry", "--all", "--store", store, "--yes").status == 1


@pytest.mark.parametrize(
    "words",
    [(), ("--channel", "email"), ("0" * 32, "--all"), ("--all", "--since", "soon")],
)
def test_a_retry_needs_a_key_or_all(store: str, words: tuple[str, ...]) -> None:
    """One by its key, or all of them: never all by mistake."""
    assert whereupon("retry", *words, "--store", store).status == 2


def test_only_what_is_dead_can_be_retried(store: str) -> None:
    """A key without a dead delivery is an error on stderr."""
    whereupon("replay", SHOPPING, "--store", store, "--quiet")
    ended = whereupon("retry", "0" * 32, "--store", store)
    assert (ended.status, ended.stdout) == (1, "")
    assert "no dead delivery has the key" in ended.stderr


def test_entries_that_stand_still_are_listed(store: str, tmp_path: Path) -> None:
    """By rule and reason, in view of the given rules; without rules, every rule is unknown."""
    entered = datetime.now(UTC) - timedelta(hours=1)  # noqa: TID251 - an import arrives now
    stream = write_stream(tmp_path / "s.jsonl", _added_to_cart("ada", format_instant(entered)))
    whereupon("import", stream, "--store", store)
    here = whereupon("status", "--store", store)
    assert (here.status, here.stdout) == (0, "Nothing is left alone.\n")
    (tmp_path / "none").mkdir()
    none = ("status", "--store", store, "--rules", tmp_path / "none")
    output = {each["rule"]: each for each in whereupon(*none, "--json").records}
    assert output["abandoned-cart"]["kind"] == "left-alone"
    assert (output["abandoned-cart"]["why"], output["abandoned-cart"]["entries"]) == (
        "unknown-rule",
        1,
    )
    text = whereupon(*none).stdout
    assert "abandoned-cart  1 inside, due " in text
    assert "there is no such rule here" in text


def _added_to_cart(user: str, timestamp: str) -> dict[str, JsonValue]:
    return {
        "type": "track",
        "event": "Product Added",
        "userId": user,
        "messageId": "added",
        "timestamp": timestamp,
        "properties": {"product_id": "1", "name": "Socks", "price": 30},
    }


# --- prune --------------------------------------------------------------------------------------


def test_pruning_says_what_goes_and_explain_that_it_is_gone(store: str) -> None:
    """A dry run counts; the real run deletes, and prints it; a second run finds nothing."""
    long_ago = datetime(2024, 3, 12, tzinfo=UTC)
    with Engine.open(store, rules=ROOT / "rules", clock=FrozenClock(long_ago)) as engine:
        engine.identify("ada", traits={"plan": "free"})
        engine.track("purchase", user_id="ada", properties={"product": "hat", "price": 3})
    would = whereupon("prune", "--store", store, "--dry-run", "--json").records
    assert [(each["kind"], each["dry_run"], each["skips"]) for each in would] == [
        ("pruned", True, 1)
    ]
    asked = ("explain", "ada", "sock-thanks", "--store", store)
    assert "did not enter sock-thanks by purchase" in whereupon(*asked).stdout
    pruned = whereupon("prune", "--store", store)
    assert pruned.status == 0
    assert "1 skips are gone." in pruned.stdout
    output = whereupon(*asked).stdout
    assert "no message of theirs named sock-thanks" in output
    assert "No longer stored (keep: skips in the settings)" in output
    again = whereupon("prune", "--store", store, "--json").records
    assert [each["skips"] for each in again] == [0]
