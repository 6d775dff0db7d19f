"""Rule tests: 200 tests of 50 rules, each over a simulated year, beside the seconds that they may take.

    python -m tests.benchmarks.rule_tests [--rounds N] [--keep FOLDER]

The folder is generated from a seed: campaigns with conditions, history, waits of hours to months and exits,
some with waits for an event, branches and splits, campaigns that others set off, segments, and weekly broadcasts. Each test sends a message a week for a year,
beside others, and expects every entry and delivery by its number. All of it counts: starting the command,
reading the folder, running the tests, and coverage. Each round is a process of its own, and seconds are
those of its own time on one core, so that other work of the machine does not count.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, stdev

from tests.benchmarks.table import Row, at_most, exit_status, show

RULES, TESTS_OF_EACH, ROUNDS, SEED = 50, 4, 3, 1
SECONDS_BAR = 10.0
REPRODUCE = "python -m tests.benchmarks.rule_tests"
_WEEKS = 52
_BROADCASTS = 5
_HOURS = (1, 4, 24, 72, 24 * 30)


def write_folder(folder: Path, seed: int = SEED) -> None:
    """Write the rules, the segments and the test files."""
    random_ = random.Random(seed)
    for place in range(4):
        _write(folder, f"segment-{place}", _segment(place))
    for place in range(RULES):
        rule, tests = _broadcast(place) if place < _BROADCASTS else _campaign(place, random_)
        _write(folder, _name(place), rule)
        _write(folder, f"{_name(place)}.test", {"tests": tests})


def _write(folder: Path, stem: str, content: object) -> None:
    """As YAML, of which JSON is a part."""
    (folder / f"{stem}.yaml").write_text(json.dumps(content, indent=1), encoding="utf-8")


def _name(place: int) -> str:
    return f"rule-{place}"


def _segment(place: int) -> dict[str, object]:
    return {
        "segment": f"segment-{place}",
        "description": "People of one plan.",
        "who": {"plan": f"plan-{place}"},
    }


def _broadcast(place: int) -> tuple[dict[str, object], list[object]]:
    """A broadcast on Mondays at ten, to everybody of a plan."""
    rule: dict[str, object] = {
        "broadcast": _name(place),
        "description": "News of the week.",
        "when": {"cron": "0 10 * * MON"},
        "who": {"segment": f"segment-{place % 4}"},
        "whereupon": [{"send": "email", "subject": "News {{ now | date: '%d' }}"}],
    }
    tests = [
        {
            "name": f"{people} people get it every week",
            "until": f"+{7 * _WEEKS}d",
            "given": [
                {"identify": f"user-{n}", "traits": {"plan": f"plan-{place % 4}"}}
                for n in range(people)
            ],
            "expect": [
                {key: value, "count": _WEEKS, **more}
                for n in range(people)
                for key, value, more in (
                    ("entered", f"user-{n}", {}),
                    ("delivery", "email", {"to": f"user-{n}"}),
                )
            ],
        }
        for people in range(1, 1 + TESTS_OF_EACH)
    ]
    return rule, list(tests)


def _campaign(place: int, random_: random.Random) -> tuple[dict[str, object], list[object]]:
    """A campaign of two sends; every second one sets off the next by an event of its own."""
    sets_off = place % 2 == 0 and place + 1 < RULES
    is_set_off = place % 2 == 1 and place > _BROADCASTS
    least = random_.randint(10, 90)
    rule: dict[str, object] = {
        "campaign": _name(place),
        "description": "Thanks, and a second word later.",
        "when": [f"Bought {place}", *([f"Sent {place - 1}"] if is_set_off else [])],
        "where": {"price": {"gte": least}},
        "who": {"not": {"segment": f"segment-{place % 4}"}, "performed": {"event": f"Bought {place}", "within": "90d"}},
        "reentry": "every_time",
        "exit": {"event": f"Refunded {place}", "where": {"whole": True}},
        "whereupon": [
            {"wait": f"{random_.choice(_HOURS)}h"},
            {"send": "push", "title": "Thanks, {{ person.first_name | default: 'friend' }}"},
            *([{"track": f"Sent {place}", "properties": {"price": 0}}] if sets_off else []),
            {"set": {"thanked": "{{ timestamp }}"}},
            *(_journey(place) if place % 3 == 0 else []),
            {"wait": f"{random_.choice(_HOURS)}h"},
            {"send": "email", "subject": "Your {{ properties.product | default: 'order' }}"},
        ],
    }  # fmt: skip
    return rule, list(_tests_of(place, least, random_))


def _journey(place: int) -> list[object]:
    """A wait that nobody passes, a branch and a split."""
    arms = {"a": {"share": 50, "then": [{"wait": "1h"}]}, "b": {"share": 50, "then": []}}
    return [
        {"wait_for": [{"event": f"Invited {place}", "then": ["exit"]}], "up_to": "3d", "else": []},
        {"branch": [{"if": {"plan": "team"}, "then": ["exit"]}, {"else": [{"wait": "1h"}]}]},
        {"split": {"name": f"split-{place}", "arms": arms}},
    ]


def _tests_of(place: int, least: int, random_: random.Random) -> Iterator[object]:
    for number in range(TESTS_OF_EACH):
        low, high = random_.randint(0, least - 1), random_.randint(least, 100)
        bought = {"track": f"Bought {place}", "user": "ada"}
        yield {
            "name": f"a year of purchases, {number}",
            "given": [
                {"identify": "ada", "traits": {"first_name": "Ada", "plan": "none"}},
                {"at": "+1h", "repeat": _WEEKS, "every": "7d", **bought, "properties": {"price": high, "product": "socks"}},
                {"at": "+2h", "repeat": _WEEKS, "every": "7d", **bought, "properties": {"price": low}},
                {"at": "+3h", "repeat": 12, "every": "30d", "track": "Opened", "user": "ada"},
                {"at": "+365d", "track": f"Refunded {place}", "user": "ada", "properties": {"whole": False}},
            ],
            "expect": [
                {"entered": "ada", "count": _WEEKS},
                {"skipped": "ada", "reason": "where", "event": f"Bought {place}", "count": _WEEKS},
                {"delivery": "push", "to": "ada", "title": "Thanks, Ada", "count": _WEEKS},
                {"delivery": "email", "to": "ada", "subject": "Your socks", "count": _WEEKS},
            ],
        }  # fmt: skip


def _once(folder: Path) -> float:
    """The seconds of its own time that one run of the command takes, which must pass."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "whereupon", "test", str(folder)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    wanted = f"{RULES * TESTS_OF_EACH} passed, 0 failed"
    if done.returncode or wanted not in done.stdout:
        sys.exit(f"the tests failed:\n{done.stdout[-4_000:]}")
    return seconds


def rows(rounds: int = ROUNDS) -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder))
        found = [_once(Path(folder)) for _ in range(rounds)]
    taken = median(found)
    words, met = at_most(taken / SECONDS_BAR, 1)
    spread = 100 * stdev(found) / taken if len(found) > 1 else 0.0
    figure = f"{RULES * TESTS_OF_EACH} tests of {RULES} rules over a year, by whereupon test"
    reference = f"{SECONDS_BAR:g} s"
    return [
        Row(figure, f"{taken:.1f} s", reference, taken / SECONDS_BAR, words, met, spread, REPRODUCE)
    ]


def main() -> int:
    """Measure, print the table, and fail where the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="only write the folder there")
    asked = parser.parse_args()
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
        write_folder(asked.keep)
        return 0
    measured = rows(asked.rounds)
    show(measured)
    return exit_status(measured)


if __name__ == "__main__":
    sys.exit(main())
