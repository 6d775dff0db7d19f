"""``whereupon entries``, ``broadcasts`` and ``status``, as the person on call uses them."""

from pathlib import Path

import pytest
from tests.scenarios.commands import whereupon, whereupon_process
from tests.shop import purchase

from whereupon.engine import Engine

_CARE = """
campaign: care
when: purchase
reentry: every_time
whereupon:
  - {send: push, title: Thanks}
  - {wait: 2d}
  - {send: push, title: How is it?}
"""

_NEWS = """
broadcast: news
when: api
whereupon:
  - {send: push, title: News}
"""


class Shop:
    """A store and a folder of rules, with three people inside one of them."""

    def __init__(self, folder: Path) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir()
        (self.rules / "care.yaml").write_text(_CARE)
        (self.rules / "news.yaml").write_text(_NEWS)
        self.url = f"sqlite:///{folder}/shop.db"
        with self.engine() as engine:
            for number, name in enumerate(("ada", "bob", "cho")):
                engine.ingest([purchase(number, name)])

    def engine(self) -> Engine:
        """An engine on the store."""
        return Engine.open(self.url, rules=self.rules)

    @property
    def where(self) -> tuple[object, ...]:
        """The options that every command takes."""
        return ("--store", self.url, "--rules", self.rules)

    def edit(self, old: str, new: str) -> None:
        """Change the campaign's file."""
        path = self.rules / "care.yaml"
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The shop."""
    return Shop(tmp_path)


def test_people_are_counted_by_version_and_step(shop: Shop) -> None:
    """The version in use is marked; JSON has the same."""
    shop.edit("2d", "3d")
    with shop.engine() as engine:
        engine.ingest([purchase(9, "dee")])
    shown = whereupon("entries", "care", *shop.where)
    assert "care  3 people  version" in shown.stdout
    assert "(current), before step 2, which sends push “How is it?”" in shown.stdout
    inside = whereupon("entries", *shop.where, "--json").of_kind("inside")
    assert sorted((each["people"], each["current"]) for each in inside) == [(1, True), (3, False)]


def test_a_rule_is_paused_resumed_and_seen_in_the_status(shop: Shop) -> None:
    """Who did it and since when stands in every answer."""
    paused = whereupon("entries", "care", "pause", "--by", "tim", *shop.where)
    assert (paused.status, "care is paused since" in paused.stdout) == (0, True)
    assert "by tim" in whereupon("entries", "care", *shop.where).stdout
    status = whereupon("status", *shop.where)
    assert "care  3 inside" in status.stdout
    assert "an operator has paused it" in status.stdout
    assert "care is paused since" in status.stdout
    (shown,) = whereupon("status", *shop.where, "--json").of_kind("paused")
    assert (shown["rule"], shown["run"], shown["by"]) == ("care", None, "tim")
    explained = whereupon("explain", "ada", "care", *shop.where)
    assert "stands still while the rule is paused" in explained.stdout
    resumed = whereupon("entries", "care", "resume", "--by", "tim", *shop.where)
    assert (resumed.status, resumed.stdout.startswith("care goes on")) == (0, True)
    again = whereupon("entries", "care", "resume", "--by", "tim", *shop.where)
    assert (again.status, again.stderr) == (1, "whereupon: not-paused: nobody has paused care\n")
    log = whereupon("audit", "list", "--store", shop.url)
    assert "rule-paused" in log.stdout
    assert "rule care  actor tim" in log.stdout


def test_one_entry_is_found_paused_and_ended(shop: Shop) -> None:
    """Its number is on its line, with what was done to it."""
    listed = whereupon("entries", "care", "list", "--person", "ada", *shop.where, "--json")
    (entry,) = listed.of_kind("entry")
    number = entry["entry"]
    one = ("entries", "care", "pause", "--entry", number, "--by", "tim", *shop.where)
    assert "paused by tim" in whereupon(*one).stdout
    assert "1 person (paused)" in whereupon("entries", "care", *shop.where).stdout
    assert "1 entry is paused in care" in whereupon("status", *shop.where).stdout
    explained = whereupon("explain", "ada", "care", *shop.where)
    assert "the entry is paused since" in explained.stdout
    ended = whereupon(
        "entries", "care", "end", "--entry", number, "--by", "tim", *shop.where, "--json"
    )
    (shown,) = ended.of_kind("entry")
    assert (shown["state"], shown["reason"]) == ("exited", "operator")
    again = whereupon(*one)
    assert (again.status, "has ended" in again.stderr) == (1, True)


def test_everybody_is_ended_after_a_question(shop: Shop) -> None:
    """Without a yes nothing is done; a dry run only counts."""
    end = ("entries", "care", "end", "--by", "tim", *shop.where)
    assert whereupon(*end, "--dry-run").stdout == "care would end for 3 people.\n"
    refused = whereupon(*end, typed="n\n")
    assert (refused.status, "End care for 3 people?" in refused.stderr) == (1, True)
    assert "3 people" in whereupon("entries", "care", *shop.where).stdout
    assert whereupon(*end, "--yes").stdout == "care ended for 3 people.\n"
    assert whereupon("entries", "care", *shop.where).stdout == "Nobody is inside.\n"


def test_people_are_moved_after_they_were_shown_what_happens(shop: Shop) -> None:
    """Who stays makes the exit status 1, so that a script notices."""
    shop.edit("How is it?", "How do you like it?")
    move = ("entries", "care", "move", "--to", "current", "--by", "tim", *shop.where)
    asked = whereupon(*move, "--dry-run")
    assert "3 people  version" in asked.stdout
    assert "would go on before step 2 of the new version" in asked.stdout
    (group,) = whereupon(*move, "--dry-run", "--json").of_kind("move")
    assert (group["people"], group["to_step"], group["dry_run"]) == (3, "2", True)
    refused = whereupon(*move, typed="n\n")
    assert (refused.status, "Move 3 people?" in refused.stderr) == (1, True)
    done = whereupon(*move, "--yes")
    assert (done.status, "3 people" in done.stdout) == (0, True)
    assert "Everybody inside care is in version" in whereupon(*move, "--yes").stdout
    shop.edit("  - {wait: 2d}\n", "  - {send: push, title: Again}\n")
    stays = whereupon(*move, "--yes")
    assert (stays.status, "(no-counterpart)" in stays.stdout) == (1, True)
    mapped = whereupon(*move, "--yes", "--map", "2=end")
    assert (mapped.status, "go on behind the last step of the new version" in mapped.stdout) == (
        0,
        True,
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("entries", "care", "pause"), "say who decides this: --by NAME"),
        (("entries",), None),
        (("entries", "car"), "no rule called 'car'"),
        (("entries", "care", "count", "--by", "tim"), "count takes no --by"),
        (("entries", "care", "end", "--by", "tim", "--entry", 1, "--step", 1), "either one entry"),
        (("entries", "care", "move", "--by", "tim", "--map", "a"), "the addresses of two steps"),
        (("entries", "care", "list", "--version", "ffff"), "version of care"),
        (("entries", "care", "pause", "--entry", 4711, "--by", "tim"), "no entry called '4711'"),
        (("broadcasts", "news", "pause"), "say who decides this: --by NAME"),
        (("broadcasts", "nws"), "no broadcast called 'nws'"),
        (("broadcasts", "news", "pause", "--by", "tim"), "no broadcast with a run"),
    ],
)
def test_wrong_usage_says_what_to_write(
    shop: Shop, words: tuple[object, ...], error: str | None
) -> None:
    """And changes nothing."""
    done = whereupon(*words, *shop.where)
    if error is None:
        assert done.status == 0
    else:
        assert done.status in {1, 2}
        assert error in done.stderr


def test_a_broadcast_is_previewed_paused_resumed_and_cancelled(shop: Shop) -> None:
    """What a run has made is paused and ended by the processes that do due work."""
    preview = whereupon("broadcasts", "news", "preview", *shop.where)
    assert preview.stdout.startswith("3 people are in the audience of news now.")
    assert "such as ada, bob, cho" in preview.stdout
    with shop.engine() as engine:
        engine.trigger("news", key="june")
        engine.run_due()
    assert "news:june  done" in whereupon("broadcasts", *shop.where).stdout
    paused = whereupon("broadcasts", "news", "pause", "--by", "tim", *shop.where)
    assert "news:june  paused" in paused.stdout
    assert "news:june is paused since" in whereupon("status", *shop.where).stdout
    whereupon("broadcasts", "news", "resume", "--by", "tim", *shop.where)
    refused = whereupon("broadcasts", "news", "cancel", "--by", "tim", *shop.where, typed="n\n")
    assert refused.status == 1
    done = whereupon("broadcasts", "news", "cancel", "--by", "tim", "--yes", *shop.where, "--json")
    (run,) = done.of_kind("run")
    assert (run["state"], run["run"]) == ("cancelled", "news:june")
    with shop.engine() as engine:
        engine.run_due()
    (shown,) = whereupon("broadcasts", "news", "--run", "news:june", *shop.where, "--json").records
    assert shown["waiting"] == 0


def test_a_process_of_its_own_prints_the_same(shop: Shop) -> None:
    """The command is found by its name, and its help says what it does."""
    shown = whereupon_process("entries", "care", *map(str, shop.where))
    assert "care  3 people" in shown.stdout
    assert "move" in whereupon_process("entries", "--help").stdout
