"""`whereupon replay` as users meet it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest
from pydantic import JsonValue
from tests.paths import ROOT
from tests.scenarios.commands import STREAMS, identify, purchase, whereupon, whereupon_process
from tests.stream_files import write_stream

pytestmark = pytest.mark.slow  # nearly each starts the command as a process


DECISION = "kind message_id type event timestamp decided_at person rule rule_kind outcome reason retroactive"
KEYS = {
    "decision": DECISION.split(),
    "delivery": ["kind", "rule", "person", "channel", "due_at", "idempotency_key", "content"],
    "withheld": ["kind", "rule", "person", "channel", "due_at", "idempotency_key", "reason"],
    "request": ["kind", "action", "message_id", "person", "outcome", "reason"],
    "ended": [
        "kind",
        "rule",
        "person",
        "message_id",
        "ended_at",
        "outcome",
        "reason",
        "detail",
        "by",
    ],
    "step": [
        "kind",
        "rule",
        "person",
        "message_id",
        "what",
        "step",
        "at",
        "arm",
        "detail",
        "values",
        "by",
        "until",
    ],
    "converted": (
        [
            "kind",
            "rule",
            "person",
            "message_id",
            "converted_at",
            "event",
            "by",
            "step",
            "delivery",
            "arms",
            "held_out",
        ]
    ),
    "rejected": ["kind", "line", "code", "message"],
    "warning": ["kind", "code", "message_id", "message"],
    "summary": [
        "kind",
        "messages",
        "accepted",
        "duplicates",
        "rejected",
        "persons",
        "decisions",
        "entered",
        "deliveries",
        "requests",
        "converted",
        "exited",
        "withheld",
        "waiting",
        "most_per_person",
        "median_per_person",
    ],
}
SHOPPING = STREAMS / "anonymous-shopping.jsonl"
STORY = STREAMS / "source-story.jsonl"


@pytest.mark.parametrize("stream", sorted((ROOT / STREAMS).glob("*.jsonl")), ids=lambda p: p.stem)
def test_every_record_has_the_keys_of_the_contract_in_their_order(stream: Path) -> None:
    """The keys of a kind, and their order, are the same in every record of every stream."""
    replayed = whereupon("replay", stream, "--json")
    assert replayed.status == 0
    assert replayed.stderr == ""
    for record in replayed.records:
        assert list(record) == KEYS[str(record["kind"])]


def test_the_summary_comes_last_and_counts_what_was_printed() -> None:
    """The last line is the only summary, and agrees with the lines above it."""
    replayed = whereupon("replay", STREAMS / "messy.jsonl", "--json")
    summary = replayed.records[-1]
    assert replayed.of_kind("summary") == [summary]
    for kind, name in [
        ("decision", "decisions"),
        ("delivery", "deliveries"),
        ("request", "requests"),
        ("rejected", "rejected"),
        ("ended", "exited"),
        ("withheld", "withheld"),
        ("waiting", "waiting"),
    ]:
        assert summary[name] == len(replayed.of_kind(kind))
    entered = [each for each in replayed.of_kind("decision") if each["outcome"] == "entered"]
    assert summary["entered"] == len(entered)
    counts = (summary["accepted"], summary["duplicates"], summary["rejected"])
    assert summary["messages"] == sum(each for each in counts if isinstance(each, int))


def test_replaying_twice_prints_the_same_in_any_process() -> None:
    """A replay depends only on its stream and its rules."""
    replayed = whereupon_process("replay", SHOPPING, "--json")
    assert (replayed.status, replayed.stderr) == (0, "")
    assert replayed == whereupon("replay", SHOPPING, "--json")


def test_replaying_again_into_a_kept_store_changes_nothing(tmp_path: Path) -> None:
    """Every message of the second run is a duplicate, and nothing is decided again."""
    url = f"sqlite:///{tmp_path}/kept.db"
    first = whereupon("replay", SHOPPING, "--json", "--store", url).records[-1]
    again = whereupon("replay", SHOPPING, "--json", "--store", url)
    assert [record["kind"] for record in again.records] == ["summary"]
    assert again.records[-1]["accepted"] == 0
    assert again.records[-1]["duplicates"] == first["messages"]


def test_an_anonymous_purchase_enters_retroactively_once_claimed() -> None:
    """What was bought before signing up triggers at the claim, and is marked as retroactive."""
    decisions = whereupon("replay", STORY, "--json").of_kind("decision")
    first = next(each for each in decisions if each["rule"] == "sock-thanks")
    assert first["message_id"] == "03-anonymous-purchase-price-as-text"
    assert (first["person"], first["outcome"], first["retroactive"]) == ("ada", "entered", True)
    assert first["timestamp"] == "2026-03-02T09:05:00Z"
    assert first["decided_at"] == "2026-03-02T09:10:00Z"


def test_a_rejected_line_names_its_stream_only_when_there_are_several(tmp_path: Path) -> None:
    """With one stream the line number is enough."""
    good = write_stream(tmp_path / "good.jsonl", identify("ada", "2026-03-02T09:00:00Z"))
    bad = write_stream(tmp_path / "bad.jsonl", "", "no json")
    alone = whereupon("replay", bad, "--json").of_kind("rejected")
    assert [(each["line"], each["code"]) for each in alone] == [(2, "bad-json")]
    together = whereupon("replay", good, bad, "--json").of_kind("rejected")
    assert list(together[0]) == [*KEYS["rejected"], "stream"]
    assert together[0]["stream"] == "bad.jsonl"


def test_a_withheld_delivery_is_not_counted_as_a_delivery(tmp_path: Path) -> None:
    """An unsubscribed person gets nothing; the record has its own kind, and the reason."""
    stream = write_stream(
        tmp_path / "s.jsonl",
        identify("ada", "2026-03-02T09:00:00Z", email="ada@example.com", unsubscribed=True),
    )
    replayed = whereupon("replay", stream, "--json")
    withheld = replayed.of_kind("withheld")
    assert withheld
    assert list(withheld[0]) == KEYS["withheld"]
    assert {each["reason"] for each in withheld} == {"unsubscribed"}
    assert replayed.records[-1]["deliveries"] == 0
    assert "held back: they are unsubscribed" in whereupon("replay", stream).stdout


def test_a_webhook_is_a_delivery_of_the_replay(tmp_path: Path) -> None:
    """A replay shows the request that would be made, and makes none."""
    rule = """
campaign: hook
description: Tell another system of purchases.
when: purchase
reentry: every_time
whereupon:
  - webhook: https://hooks.example.com/orders
    json: {product: "{{ properties.product }}"}
"""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "hook.yaml").write_text(rule)
    write_stream(
        tmp_path / "stream.jsonl", purchase("ada", "2026-03-02T09:00:00Z", product="socks")
    )
    command = ("replay", tmp_path / "stream.jsonl", "--rules", rules)
    (delivery,) = whereupon(*command, "--json").of_kind("delivery")
    assert delivery["channel"] == "webhook"
    assert delivery["content"] == {
        "url": "https://hooks.example.com/orders",
        "method": "POST",
        "json": {"product": "socks"},
    }
    assert "https://hooks.example.com/orders" in whereupon(*command).stdout


@pytest.mark.parametrize("until", ["+1h", "2026-03-02T10:05:00Z"])
def test_time_goes_on_only_to_the_instant_asked_for(tmp_path: Path, until: str) -> None:
    """A wait that ends later stays open, whether the end is given as a span or an instant."""
    stream = write_stream(
        tmp_path / "s.jsonl",
        identify("ada", "2026-03-02T09:00:00Z", plan="pro"),
        purchase("ada", "2026-03-02T09:05:00Z", product="socks", price=23.45),
    )
    rules = {each["rule"] for each in whereupon("replay", stream, "--json").of_kind("delivery")}
    assert "sock-thanks" in rules
    cut = whereupon("replay", stream, "--json", "--until", until)
    assert "sock-thanks" not in {each["rule"] for each in cut.of_kind("delivery")}
    assert "entered" in {each["outcome"] for each in cut.of_kind("decision")}


LEAVING = """\
campaign: cart
description: Somebody put something into their cart.
when: added
reentry: every_time
exit: [ordered, {plan: pro}]
whereupon:
  - send: push
    title: "{{ properties.name }}"
  - wait: 1d
  - send: email
    subject: Still there
"""


@pytest.fixture
def leaving(tmp_path: Path) -> tuple[Path, Path]:
    """A rules folder, and a stream in which entries end, wait and have their mail withheld."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "cart.yaml").write_text(LEAVING)
    (rules / "else.yaml").write_text(LEAVING.replace("cart", "else").replace("added", "ordered"))

    def track(event: str, user: str, at: str, **properties: str) -> dict[str, JsonValue]:
        return {**purchase(user, f"2026-03-02T{at}:00Z", **properties), "event": event}

    stream = write_stream(
        tmp_path / "s.jsonl",
        identify("cy", "2026-03-02T08:00:00Z", unsubscribed=True),
        track("added", "ada", "09:00", name="socks"),
        track("added", "ben", "09:01", name="shoes"),
        track("added", "cy", "09:02", name="hat"),
        track("added", "ada", "09:03"),
        track("ordered", "ada", "10:00", name="it"),
        identify("ben", "2026-03-02T11:00:00Z", plan="pro"),
    )
    return rules, stream


def test_early_exits_are_shown_with_their_cause_and_waits_with_their_end(
    leaving: tuple[Path, Path],
) -> None:
    """In the timeline at its time; at the end, the waiting entries and the counts of each rule."""
    rules, stream = leaving
    output = whereupon("replay", stream, "--rules", rules, "--until", "+1h").stdout
    assert "10:00  ada  ordered\n         ← leaves cart by ordered\n" in output
    assert (
        "11:00  ben  what is known of them changes\n         ← leaves cart since plan is pro"
        in output
    )
    assert "✗ push to cy held back: they are unsubscribed (cart)" in output
    assert "✗ push to ada held back: its text could not be made: " in output
    assert "Still waiting  2 entries\n2026-03-03T09:02:00Z  cy   cart sends email\n" in output
    assert re.search(r"entries\s+5\s+3 left early, 2 still wait", output)
    assert re.search(r"per person\s+1\s+is the median of 2 people; the most: ada 2, ben 1", output)
    heading = (
        r"rule\s+entered\s+retroactively\s+exited\s+deliveries\s+held back\s+waiting\s+skipped"
    )
    assert re.search(heading, output)
    assert re.search(r"cart\s+4\s+0\s+3\s+2\s+2\s+1\s+0", output)
    assert re.search(r"else\s+1\s+0\s+0\s+1\s+0\s+1\s+0", output)


def test_what_ends_and_what_waits_are_records_of_their_own(leaving: tuple[Path, Path]) -> None:
    """An entry has ended early, waits, or was completed."""
    rules, stream = leaving
    replayed = whereupon("replay", stream, "--rules", rules, "--until", "+1h", "--json")
    ended = [(each["person"], each["reason"], each["detail"]) for each in replayed.of_kind("ended")]
    assert ended == [("ada", "event", "ordered")] * 2 + [("ben", "condition", "plan is pro")]
    assert [list(each) for each in replayed.of_kind("waiting")] == [
        ["kind", "rule", "person", "message_id", "due_at", "step"]
    ] * 2
    summary = replayed.records[-1]
    counts = [summary[name] for name in ("entered", "exited", "withheld", "waiting")]
    assert counts == [5, 3, 2, 2]
    assert (summary["most_per_person"], summary["median_per_person"]) == (2, 1)


@pytest.mark.parametrize(
    ("options", "rules_shown", "people_shown"),
    [
        (["--rule", "cart"], {"cart"}, {"ada", "ben", "cy"}),
        (["--rule", "cart", "--rule", "else"], {"cart", "else"}, {"ada", "ben", "cy"}),
        (["--person", "ada"], {"cart", "else"}, {"ada"}),
        (["--person", "ben", "--person", "cy"], {"cart"}, {"ben", "cy"}),
        (["--rule", "else", "--person", "ada"], {"else"}, {"ada"}),
    ],
)
def test_a_replay_shows_the_rules_and_people_that_are_asked_for(
    leaving: tuple[Path, Path],
    options: list[str],
    rules_shown: set[str],
    people_shown: set[str],
) -> None:
    """All rules run; the counts are those of the shown ones, and are marked so."""
    rules, stream = leaving
    replayed = whereupon("replay", stream, "--rules", rules, "--until", "+1h", "--json", *options)
    *records, summary = replayed.records
    assert {each["rule"] for each in records if "rule" in each} == rules_shown
    assert {each["person"] for each in records if "person" in each} == people_shown
    assert summary["messages"] == 7
    assert summary["decisions"] == len(replayed.of_kind("decision"))
    assert summary["deliveries"] == len(replayed.of_kind("delivery"))
    assert summary["of"] == {
        "rules": sorted(rules_shown if "--rule" in options else ()),
        "people": sorted(people_shown if "--person" in options else ()),
    }
    shown = whereupon("replay", stream, "--rules", rules, "--until", "+1h", *options).stdout
    assert re.search(r"Summary (of|for) ", shown)
    assert ("leaves cart by ordered" in shown) is ({"cart", "ada"} <= rules_shown | people_shown)


def test_an_unknown_rule_or_person_is_an_error(leaving: tuple[Path, Path]) -> None:
    """A misspelt name does not give an empty answer."""
    rules, stream = leaving
    wrong = whereupon("replay", stream, "--rules", rules, "--rule", "carts")
    assert (wrong.status, "did you mean 'cart'?" in wrong.stderr) == (2, True)
    nobody = whereupon("replay", stream, "--rules", rules, "--person", "adaa", "--json")
    assert nobody.stderr == "there is no record of 'adaa'; did you mean 'ada'?\n"


def test_a_large_audience_that_leaves_at_once_is_summed_up(tmp_path: Path) -> None:
    """One line says how many people leave a broadcast."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "news.yaml").write_text(
        "broadcast: news\ndescription: News.\nwhen: news published\nexit: {plan: free}\n"
        "whereupon:\n  - send: email\n    subject: News\n"
    )
    stream = write_stream(
        tmp_path / "s.jsonl",
        *(
            identify(f"p{n}", "2026-03-02T09:00:00Z", plan="free" if n % 3 else "pro")
            for n in range(12)
        ),
        purchase("editor", "2026-03-02T10:00:00Z") | {"event": "news published"},
    )
    output = whereupon("replay", stream, "--rules", rules).stdout
    assert output.count("10:00  broadcast news") == 1
    assert "← 8 of them leave early" in output


def test_the_deletion_of_an_unknown_person_is_marked(tmp_path: Path) -> None:
    """The output names the id that was probably meant."""
    gone = purchase("Ada@Example.com", "2026-03-02T10:00:00Z") | {"event": "Delete Person"}
    stream = write_stream(
        tmp_path / "s.jsonl", identify("ada@example.com", "2026-03-02T09:00:00Z"), gone
    )
    output = whereupon("replay", stream).stdout
    assert "· ran Delete Person of Ada@Example.com, and found nothing: nobody is known by" in output
    assert "'ada@example.com' is" in output
    assert "✓ ran" not in output


def test_a_client_stream_has_its_deletion_held() -> None:
    """With `--source client`, as a browser may only ask for what a server may run."""
    requests = whereupon("replay", STORY, "--json", "--source", "client").of_kind("request")
    assert ("held", "source") in {(each["outcome"], each["reason"]) for each in requests}


def test_a_stream_can_come_from_standard_input() -> None:
    """`-` reads standard input."""
    text = (ROOT / SHOPPING).read_text(encoding="utf-8")
    piped = whereupon_process("replay", "-", "--json", stdin=text)
    assert piped.stdout == whereupon("replay", SHOPPING, "--json").stdout


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    """`| head -1` gets its line, without a traceback."""
    stream = write_stream(
        tmp_path / "long.jsonl",
        *(purchase(f"p{n}", "2026-03-02T09:00:00Z", product="hat") for n in range(3000)),
    )
    with subprocess.Popen(
        [sys.executable, "-m", "whereupon", "replay", str(stream), "--json"],
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_ended_leaves_nothing_behind(number: int, tmp_path: Path) -> None:
    """Its store holds people's data: it is deleted, also when a time limit or Ctrl-C ends the replay."""
    with subprocess.Popen(
        [sys.executable, "-m", "whereupon", "replay", "-", "--json"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"type":"identify","userId":"ada"}\n')
        process.stdin.flush()
        deadline = monotonic() + 60
        while not list(tmp_path.rglob("replay.db*")):
            assert monotonic() < deadline
        process.send_signal(number)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (128 + number, b"")
    assert not list(tmp_path.iterdir())


# --- for people -------------------------------------------------------------------------------


def test_the_timeline_shows_what_triggered_for_whom_and_why_not() -> None:
    """Days, times, people, entries, deliveries, skips and requests are all shown in words."""
    output = whereupon("replay", STORY).stdout
    for text in (
        "Monday 2 March 2026",
        "09:10  ada  known now, so what they did anonymously counts:",
        "✓ purchase, 5 minutes earlier: enters sock-thanks, retroactively",
        "→ email to ada: “Welcome, Ada” (welcome)",
        "11:10  ada  2 hours after entering sock-thanks",
        "not game-points: they had an entry less than 1d away",
        "✗ refused Delete Person: the message carries no user id of its own",
        "✓ ran Delete Person of lin",
        "Summary",
    ):
        assert text in output


def test_a_file_gets_no_colours_and_no_line_over_a_hundred_columns() -> None:
    """Output to a file is plain, wraps at 100 columns, and has no trailing spaces."""
    for stream in (SHOPPING, STREAMS / "messy.jsonl"):
        output = whereupon("replay", stream)
        assert "\x1b" not in output.stdout
        assert output.stderr == ""
        assert max(map(len, output.stdout.splitlines())) <= 100
        assert not re.search(r"[ \t]+$", output.stdout, re.MULTILINE)


def test_text_of_others_is_shown_and_cannot_control_the_terminal(tmp_path: Path) -> None:
    """Markup, escape sequences and line breaks in ids and names stay text, on one line."""
    name = "[red]\x1b[31m\u202eada[/red]\nforged line 日本語"
    stream = write_stream(
        tmp_path / "s.jsonl", identify(name, "2026-03-02T09:00:00Z", email="a@example.com")
    )
    output = whereupon("replay", stream, columns=200).stdout
    assert "[red]\ufffd[31m\ufffdada[/red] forged line 日本語" in output
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert not any(line.startswith("forged") for line in output.splitlines())


def test_wide_letters_count_as_two_columns(tmp_path: Path) -> None:
    """A name in wide letters wraps where a terminal would wrap it."""
    stream = write_stream(
        tmp_path / "s.jsonl",
        identify("ada", "2026-03-02T09:00:00Z", email="a@example.com", first_name="宝" * 60),
    )
    lines = whereupon("replay", stream, columns=60).stdout.splitlines()
    assert max(len(line) + line.count("宝") for line in lines) <= 60


def test_like_skips_are_shown_once_unless_each_is_asked_for(tmp_path: Path) -> None:
    """Like skips are counted in one line; `--skips all` shows each, `none` shows none."""
    stream = write_stream(
        tmp_path / "s.jsonl",
        *(purchase("ada", f"2026-03-02T09:{n:02}:00Z", product="hat", price=n) for n in range(20)),
    )
    brief, every, none = (
        whereupon("replay", stream, "--skips", how).stdout for how in ("brief", "all", "none")
    )
    assert "ada  purchase, 20 times until 09:19 · not sock-thanks" in brief
    assert brief.count("not sock-thanks") == 1
    assert every.count("not sock-thanks") == 20
    assert none.count("not sock-thanks") == 0


def test_a_busy_day_shows_some_skips_and_counts_the_rest(tmp_path: Path) -> None:
    """After the first eight skips of a day, one line counts the others by rule."""
    stream = write_stream(
        tmp_path / "s.jsonl",
        *(purchase(f"p{n}", f"2026-03-02T09:{n:02}:00Z", product="hat") for n in range(20)),
    )
    output = whereupon("replay", stream).stdout
    assert output.count("not sock-thanks") == 8
    assert "12 more did not enter: sock-thanks 12 (where)" in output


def test_a_large_audience_is_summed_up(tmp_path: Path) -> None:
    """Some people of a broadcast are named, and some of its deliveries are shown."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "news.yaml").write_text(
        "broadcast: news\nwhen: news published\nwho: {plan: pro}\n"
        "whereupon:\n  - send: email\n    subject: News\n"
    )
    stream = write_stream(
        tmp_path / "s.jsonl",
        *(identify(f"p{n}", "2026-03-02T09:00:00Z", plan="pro") for n in range(12)),
        purchase("editor", "2026-03-02T10:00:00Z") | {"event": "news published"},
    )
    output = whereupon("replay", stream, "--rules", rules).stdout
    assert "10:00  broadcast news, by news published" in output
    assert "✓ goes to p0, p1, p2, p3, p4, p5, p6, p7 and 4 more" in output
    assert output.count("→ email to") == 3
    assert "→ and 9 more like it" in output


def test_quiet_shows_the_summary_alone() -> None:
    """`--quiet` leaves out the timeline."""
    output = whereupon("replay", SHOPPING, "--quiet").stdout
    assert output.lstrip().startswith("Summary")
    assert "enters" not in output
    assert re.search(r"messages\s+37\s+35 new, 2 seen before", output)


def test_rejected_lines_are_shown_with_their_numbers() -> None:
    """Line, code and sentence of each, and the count of the others."""
    rejected = len(whereupon("replay", STREAMS / "messy.jsonl", "--json").of_kind("rejected"))
    output = whereupon("replay", STREAMS / "messy.jsonl").stdout
    assert f"{rejected} lines that are not messages" in output
    assert re.search(r"line 11\s+not-an-object\s+a message must be a JSON object", output)
    assert f"and {rejected - 20} more" in output


def test_a_locale_without_the_marks_gets_question_marks() -> None:
    """Characters that the terminal cannot show do not end the run."""
    output = whereupon_process("replay", SHOPPING, PYTHONIOENCODING="ascii")
    assert (output.status, output.stderr) == (0, "")
    assert "? enters welcome" in output.stdout


# --- wrong usage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-file.jsonl",),
        ("rules",),
        (SHOPPING, "--rules", "no-such-folder"),
        (SHOPPING, "--until", "teatime"),
        (SHOPPING, "--source", "nobody"),
        (SHOPPING, "--store", "nonsense"),
        (SHOPPING, "--store", "sqlite:////no/such/folder/kept.db"),
        (SHOPPING, "--no-such-option"),
        (),
    ],
)
def test_wrong_usage_ends_with_two_and_a_word_on_stderr(arguments: tuple[object, ...]) -> None:
    """Exit status 2, the reason on stderr, nothing on stdout, and no traceback."""
    ended = whereupon("replay", *arguments)
    assert ended.status == 2
    assert ended.stdout == ""
    assert ended.stderr
    assert "Traceback" not in ended.stderr


def test_wrong_usage_ends_a_process_so_too() -> None:
    """What the command line raises becomes the status of the process."""
    ended = whereupon_process("replay", SHOPPING, "--until", "teatime")
    assert (ended.status, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&- >/dev/null", ">&- 2>&- <&-"])
@pytest.mark.parametrize("form", [["--json"], []])
def test_a_closed_stream_swallows_its_output(closed: str, form: list[str]) -> None:
    """A job without a standard output ends as it would with one."""
    script = f'exec "$0" -m whereupon replay "$@" {closed}'
    ended = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, str(SHOPPING), *form],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_a_full_disk_is_an_error_of_one_line() -> None:
    """The message is one line if standard output cannot be written."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("wb") as out:
        ended = subprocess.run(
            [sys.executable, "-m", "whereupon", "replay", str(SHOPPING)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (2, b"whereupon: No space left on device\n")


def test_all_diagnostics_of_broken_rules_are_shown_at_once(tmp_path: Path) -> None:
    """Exit status 1, and every diagnostic on stderr as file:line:column: code message."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"campaign: {name}\nwhen: purchase\nwhoops: 1\n")
    ended = whereupon("replay", SHOPPING, "--rules", tmp_path, "--json")
    assert (ended.status, ended.stdout) == (1, "")
    for name in ("one", "two"):
        assert re.search(rf"{name}\.yaml:3:1: unknown-key ", ended.stderr)
