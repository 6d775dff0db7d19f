"""``whereupon graph`` and ``engine.graph``: a rule drawn, with the people who stand at its steps."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.scenarios.commands import whereupon

from whereupon import Engine, FrozenClock, UnknownNameError
from whereupon.render.graph import graph_lines

CARE = """
campaign: care
description: Ask how it is.
when: purchase
reentry: once
whereupon:
  - {send: push, title: Thanks}
  - wait_for: [{event: Reviewed, then: [exit]}]
    up_to: 3d
    else: [{send: push, title: How is it?}]
"""


@pytest.fixture
def shop(tmp_path: Path) -> tuple[Path, str]:
    """A folder with one rule, and a store in which two people wait in it."""
    rules, store = tmp_path / "rules", f"sqlite:///{tmp_path}/shop.db"
    rules.mkdir()
    (rules / "care.yaml").write_text(CARE, encoding="utf-8")
    clock = FrozenClock(datetime(2026, 1, 5, 9, tzinfo=UTC))
    with Engine.open(store, rules=rules, clock=clock) as engine:
        engine.track("purchase", user_id="ada")
        engine.track("purchase", user_id="bob")
    return rules, store


def test_graph_prints_the_steps_of_a_rule_with_their_addresses(shop: tuple[Path, str]) -> None:
    """Without a store nobody is counted."""
    printed = whereupon("graph", "care", "--rules", shop[0])
    assert printed.status == 0
    assert printed.stdout.splitlines() == [
        "care, a campaign: Ask how it is.",
        "  when      purchase",
        "  re-entry  once",
        "",
        "  0  sends push “Thanks”",
        "  1  waits for Reviewed, up to 3d",
        "    on Reviewed",
        "      1.0.0  ends by its exit step",
        "    after 3d",
        "      1.else.0  sends push “How is it?”",
        "  end",
    ]


def test_graph_counts_who_stands_at_each_step_of_a_store(shop: tuple[Path, str]) -> None:
    """People of an edited rule's former version are counted apart, by the same address."""
    rules, store = shop
    said = whereupon("graph", "care", "--rules", rules, "--store", store)
    assert "  1  waits for Reviewed, up to 3d  [2 people]" in said.stdout.splitlines()
    (rules / "care.yaml").write_text(CARE.replace("Thanks", "Thank you"), encoding="utf-8")
    said = whereupon("graph", "care", "--rules", rules, "--store", store)
    assert "  1  waits for Reviewed, up to 3d  [2 in other versions]" in said.stdout.splitlines()
    (shown,) = whereupon("graph", "care", "--rules", rules, "--store", store, "--json").records
    assert shown["kind"] == "graph"
    steps = shown["steps"]
    assert isinstance(steps, list)
    waiting = steps[1]
    assert isinstance(waiting, dict)
    assert waiting["people"] == {"here": 0, "paused": 0, "elsewhere": 2}


def test_graph_draws_into_a_file_or_on_standard_output(shop: tuple[Path, str]) -> None:
    """The two are the same bytes."""
    rules, _ = shop
    picture = rules.parent / "care.svg"
    drawn = whereupon("graph", "care", "--rules", rules, "--svg", picture)
    assert (drawn.status, drawn.stdout) == (0, "")
    printed = whereupon("graph", "care", "--rules", rules, "--svg", "-")
    assert printed.stdout == picture.read_text(encoding="utf-8")
    assert printed.stdout.startswith("<svg ")


def test_graph_says_what_is_wrong(shop: tuple[Path, str]) -> None:
    """An unknown rule gets a hint, a store that is given has to be there, and one form is enough."""
    rules, _ = shop
    unknown = whereupon("graph", "car", "--rules", rules)
    assert unknown.status == 2
    assert "there is no rule called 'car'" in unknown.stderr
    assert "care" in unknown.stderr
    missing = whereupon("graph", "care", "--rules", rules, "--store", f"sqlite:///{rules}/no.db")
    assert missing.status == 2
    assert "there is no file" in missing.stderr
    assert whereupon("graph", "care", "--rules", rules, "--svg", "-", "--json").status == 2


def test_a_store_that_nobody_has_made_yet_does_not_keep_a_rule_from_being_drawn(
    shop: tuple[Path, str],
) -> None:
    """The configuration of a new folder names one; then nobody is counted, and standard error says so."""
    folder = shop[0].parent
    (folder / "whereupon.toml").write_text('store = "sqlite:///new.db"\nrules = "rules"\n')
    drawn = whereupon("graph", "care", folder=folder)
    assert drawn.status == 0
    assert "[" not in drawn.stdout
    assert "nobody is counted" in drawn.stderr
    assert not (folder / "new.db").exists()


def test_the_library_gives_the_tree_that_the_command_prints(shop: tuple[Path, str]) -> None:
    """With the people of its store; an unknown rule is an error."""
    rules, store = shop
    with Engine.open(store, rules=rules) as engine:
        lines = list(graph_lines(engine.graph("care")))
        with pytest.raises(UnknownNameError):
            engine.graph("car")
    printed = whereupon("graph", "care", "--rules", rules, "--store", store)
    assert printed.stdout.splitlines() == lines
