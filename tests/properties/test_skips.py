"""Skips that are stored as one word: each can be explained as it was decided, rule by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples
from tests.properties.test_conditions import HOSTILE, SHORT_FORMS
from tests.properties.test_matching import CLOSE, LIKELY, PERFORMED
from tests.rule_files import broadcast, campaign
from tests.worlds import World, world

from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight import describe
from whereupon.matching.rule_block import FEW
from whereupon.messages.codec import decode, encode

File = dict[str, JsonValue]
SAID: st.SearchStrategy[JsonValue] = st.dictionaries(
    st.sampled_from("ab"), st.one_of(CLOSE, CLOSE, HOSTILE)
).map(
    lambda value: decode(encode(value))  # as JSON would carry it
)
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(("track", "identify", "anonymous")),
        SAID,
        st.sampled_from((None, "anon-1")),
        st.integers(-9_000, 0),
    ),
    min_size=1,
    max_size=6,
)


def rule(place: int, where: JsonValue, who: JsonValue, keys: dict[str, JsonValue]) -> File:
    """A campaign, or sometimes a broadcast."""
    name = f"r-{place}"
    if keys.get("broadcast"):
        return broadcast(name, "purchase", where=where)
    return campaign(name, "purchase", where=where, who=who, **keys)


KEYS: st.SearchStrategy[dict[str, JsonValue]] = st.sampled_from(
    (
        {},
        {"broadcast": True},
        {"active": False},
        {"max_age": "1h"},
        {"reentry": "once"},
        {"retroactive": False},
        {"retroactive": {"take": "first"}},
        {"whereupon": [{"set": {"a": "20"}}, {"send": "push", "title": "x"}]},
    )
)
PARTS = st.lists(
    st.tuples(
        st.one_of(st.just({"z": {"exists": False}}), LIKELY, SHORT_FORMS),
        st.one_of(LIKELY, SHORT_FORMS, PERFORMED),
        KEYS,
    ),
    min_size=1,
    max_size=5,
)


def live(files: list[File], happened: list[tuple[str, JsonValue, str | None, int]]) -> World:
    """The world after a history in which everything arrives now, whenever it happened."""
    made = world(*files)
    for place, (kind, data, anonymous, at) in enumerate(happened):
        extra = {} if anonymous is None else {"anonymous": anonymous}
        source = "client" if place % 2 else "server"
        if kind == "identify":
            made.identify("ada", data, at=at, arrives=place, **extra)
        elif kind == "track":
            made.track("purchase", "ada", data, at=at, arrives=place, source=source, **extra)
        else:
            made.track("purchase", None, data, at=at, arrives=place, anonymous="anon-1")
    return made


def because(decision: Decision, made: World) -> str:
    """The words of a fresh decision."""
    return describe(decision, made.engine.pipeline.index.by_id[decision.rule])


@pytest.mark.parametrize("few", [0, FEW])
@examples(40)
@given(PARTS, HAPPENINGS)
def test_an_explanation_says_what_was_decided(
    few: int,
    parts: list[tuple[JsonValue, JsonValue, dict[str, JsonValue]]],
    happened: list[tuple[str, JsonValue, str | None, int]],
) -> None:
    """Reason, failing condition and its values, though only the message was stored."""
    padding = [] if few else [rule(n + 50, {"z": n}, {"z": n}, {}) for n in range(FEW)]
    files = [*(rule(place, *part) for place, part in enumerate(parts)), *padding]
    made = live(files, happened)
    if made.person("ada") is None:
        return
    for file in files:
        name = str(next(iter(file.values())))
        skipped = [d for d in made.decided if d.rule == name and d.outcome is Outcome.SKIPPED]
        explanations = [
            each
            for each in made.engine.explain("ada", name)
            if each.outcome is Outcome.SKIPPED and "in the audience" not in each.sentence
        ]  # who was in a run's audience is no decision on a message
        theirs = made.owners()
        expected = sorted(
            (d.message_id, str(d.reason), because(d, made))
            for d in skipped
            if theirs[d.message_id] == "ada"
        )
        found = [
            (e.message_id, str(e.reason), e.sentence.partition(": ")[2][:-1]) for e in explanations
        ]
        assert sorted(found) == expected


@examples(30)
@given(PARTS, HAPPENINGS)
def test_every_named_rule_gets_one_decision_an_evaluation(
    parts: list[tuple[JsonValue, JsonValue, dict[str, JsonValue]]],
    happened: list[tuple[str, JsonValue, str | None, int]],
) -> None:
    """In the rulebook's order, for single decisions and for summaries."""
    files = [rule(place, *part) for place, part in enumerate(parts)]
    made = live(files, happened)
    names = [str(next(iter(file.values()))) for file in files]
    campaigns = [name for name, file in zip(names, files, strict=True) if "campaign" in file]
    evaluated: dict[tuple[str, str | None], list[str]] = {}
    for decision in made.decided:
        evaluated.setdefault((decision.message_id, decision.person), []).append(decision.rule)
    for (_, person), rules in evaluated.items():
        of_campaigns = [name for name in rules if name in campaigns]
        assert of_campaigns == (campaigns if person else [])
        assert rules == sorted(set(rules))  # a broadcast that starts is decided for its audience
