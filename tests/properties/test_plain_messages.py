"""Plain messages are passed over; what comes of a batch is what comes of it where no message is."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.examples import examples
from tests.properties.histories import (
    EVERYTHING,
    TAKE_ONE_RULES,
    Happening,
    happenings,
    messages_of,
)
from tests.properties.test_conditions import HOSTILE, SHORT_FORMS
from tests.properties.test_matching import CLOSE, LIKELY
from tests.rule_files import book_of, broadcast, campaign
from tests.worlds import World, message

from whereupon.conditions import JsonValue, parse_condition
from whereupon.decide import BatchResult, decide
from whereupon.matching import RuleIndex, RuleSelection, TriggerMatch
from whereupon.matching.rule_block import FEW
from whereupon.messages.codec import decode, encode
from whereupon.messages.json_scan import sole_text
from whereupon.messages.model import Message, MessageType
from whereupon.pipeline.load import BatchLoader, needs_split
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.records import Person
from whereupon.rules.model import Rule, RuleKind

PLAIN_RULES = (
    *(campaign(f"browse-{n}", "browse", where={"price": n % 6}) for n in range(18)),
    campaign(
        "like-pro", "like", who={"plan": "pro"}, whereupon=[{"wait": "2m"}, {"track": "like"}]
    ),
    campaign("browse-first", "browse", where={"price": 1}, retroactive={"take": "first"}),
    campaign("browse-last", "browse", where={"price": 4}, retroactive={"take": "last"}),
    campaign("like-again", "like", where={"price": 2}, whereupon=[{"track": "like"}]),
    broadcast("liked", "like", where={"price": 3}),
)
RULES = (*TAKE_ONE_RULES, *PLAIN_RULES)
QUIET = campaign("silent", {"quiet": "any", "for": "5m"}, whereupon=[{"track": "browse"}])
KINDS = (*EVERYTHING, *("browse", "like", "nothing") * 5)


class NothingPlain(RuleIndex):
    """An index in which no message is plain."""

    def trigger_match(self, type_: MessageType, name: str) -> TriggerMatch:
        """As always, but that the messages are evaluated."""
        return replace(super().trigger_match(type_, name), is_plain=False)


@examples(60)
@given(
    st.lists(happenings(KINDS), min_size=1, max_size=30),
    st.sets(st.integers(0, 29), max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_what_is_passed_over_is_decided_as_it_would_be(
    happened: list[Happening], cuts: set[int], is_quiet: bool, wakes: bool
) -> None:
    """The same changes and decisions in the same order: with repetitions, claims, merges, erasures and timers between."""
    made = World([*RULES, *([QUIET] if is_quiet else [])])
    messages = messages_of(happened)
    messages.insert(len(messages) // 2, messages[0].changed(received_at=messages[-1].received_at))
    pipeline = made.engine.pipeline
    nothing_plain = NothingPlain(pipeline.index.book)
    batch: list[Message] = []
    for place, each in enumerate(messages):
        stands_alone = needs_split([each], pipeline.settings)
        if batch and (place in cuts or stands_alone or needs_split(batch, pipeline.settings)):
            _compare(made, batch, nothing_plain, wakes=wakes)
            batch = []
        batch.append(each)
    _compare(made, batch, nothing_plain, wakes=wakes)


def _compare(made: World, batch: list[Message], nothing_plain: RuleIndex, *, wakes: bool) -> None:
    """Decide a batch in both ways, and then take it."""
    pipeline = made.engine.pipeline
    until = batch[-1].received_at if wakes else None

    def both(session: object) -> list[BatchResult]:
        versions = RuleVersions(pipeline.index)
        loader = BatchLoader(session, pipeline.settings, versions)  # type: ignore[arg-type]
        loaded = loader.for_batch(batch, until)
        loaded.first_key, loaded.keys = 1_000_000, 10_000
        indexes = (pipeline.index, nothing_plain)
        return [
            decide(loaded, batch, index, pipeline.settings, until=until, now=until)
            for index in indexes
        ]

    over, evaluated = made.engine.store.transact(both)
    assert list(over.records()) == list(evaluated.records())
    assert over.changes == evaluated.changes
    for each in ("accepted", "duplicates", "new_persons", "alike"):
        assert getattr(over, each) == getattr(evaluated, each), each
    assert over.rule_lists.keys() == evaluated.rule_lists.keys()
    made.engine.take(batch)


PROPERTIES = st.dictionaries(st.sampled_from("ab"), st.one_of(CLOSE, CLOSE, HOSTILE)).map(
    lambda value: decode(encode(value))
)


def _is_refused(who: JsonValue) -> bool:
    _, diagnostics = parse_condition(who, root="person")
    return bool(diagnostics)


@examples(300)
@given(
    st.lists(st.tuples(LIKELY, st.one_of(LIKELY, SHORT_FORMS)), min_size=1, max_size=24),
    st.lists(st.tuples(PROPERTIES, PROPERTIES), min_size=1, max_size=4),
)
def test_where_surely_no_rule_is_opened_there_is_no_candidate(
    conditions: list[tuple[dict[str, object], JsonValue]], said: list[tuple[object, object]]
) -> None:
    """The screen never leaves out a rule that has to be decided, whatever the rules, the message and the person say."""
    files = [
        campaign(f"r-{place}", "purchase", where=where, who=who)  # type: ignore[arg-type]
        for place, (where, who) in enumerate(conditions)
        if not _is_refused(who)  # a text that looks like a template is refused
    ]
    assume(files)
    rules = RuleIndex(book_of(*files)).trigger_match(MessageType.TRACK, "purchase").rules
    assert {rule.kind for rule in rules if isinstance(rule, Rule)} == {RuleKind.CAMPAIGN}
    _compare_candidates(rules, said)


NAMES = st.sampled_from(("a", "b", 'a"', "a:", "\\"))
INNER: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(NAMES, st.sampled_from(("x", 'x"', '"a":"x"', "é", 1, None))),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=6,
)


@examples(200)
@given(st.dictionaries(NAMES, INNER, max_size=3), st.booleans(), st.booleans())
def test_a_sole_text_is_all_that_stands_under_its_name(
    value: dict[str, JsonValue], is_ascii: bool, has_space: bool
) -> None:
    """Wherever it stands, and however the JSON is written."""
    separators = (", ", ": ") if has_space else (",", ":")
    written = json.dumps(value, ensure_ascii=is_ascii, separators=separators)
    found = sole_text(written, '"a"')
    assert found is None or [*_under("a", value)] == [found]
    if not has_space and "\\" not in written and written.count('"a"') == 1:
        assert found == next((each for each in _under("a", value) if isinstance(each, str)), None)


def _under(name: str, value: JsonValue) -> Iterator[JsonValue]:
    """What stands under a name in a value, at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from _under(name, each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from ([each] if key == name else [])
            yield from _under(name, each)


WORDS = st.sampled_from(("x", "y", "z"))
ONE_WORD = st.fixed_dictionaries(
    {"a": st.one_of(WORDS, st.lists(WORDS, min_size=1, max_size=2))},
    optional={"b": WORDS, "c": CLOSE},
)


@examples(100)
@given(
    st.lists(st.tuples(ONE_WORD, st.booleans()), min_size=FEW, max_size=24),
    st.lists(st.tuples(PROPERTIES, PROPERTIES), min_size=2, max_size=6),
    st.lists(st.dictionaries(st.sampled_from("ab"), WORDS), min_size=2, max_size=6),
)
def test_rules_that_all_ask_for_one_word_are_told_apart_by_it(
    conditions: list[tuple[dict[str, object], bool]],
    said: list[tuple[object, object]],
    words: list[dict[str, str]],
) -> None:
    """The first table of texts never leaves out a rule that has to be decided: of all kinds, and of campaigns alone."""
    files = [
        (broadcast if is_broadcast else campaign)(f"r-{place}", "purchase", where=where)  # type: ignore[arg-type]
        for place, (where, is_broadcast) in enumerate(conditions)
    ]
    match = RuleIndex(book_of(*files)).trigger_match(MessageType.TRACK, "purchase")
    everything = [*said, *((each, {}) for each in words)]
    for rules in (match.rules, match.campaigns):
        _compare_candidates(rules, everything)


def _compare_candidates(rules: RuleSelection, said: Iterable[tuple[object, object]]) -> None:
    """Look for candidates in both ways, for one message after another."""
    for properties, attributes in said:
        event = {"type": "track", "event": "purchase"}
        data = {**event, "properties": properties, "person": attributes}
        sent = message("m-1", name="purchase", user="ada", data=properties)  # type: ignore[arg-type]
        person = Person(1, "ada", sent.timestamp, attributes)  # type: ignore[arg-type]
        found = rules.plain_candidates(sent, sent.data, person)
        assert list(found) == rules.candidates(data)  # type: ignore[arg-type]
        assert list(rules.plain_candidates(sent, None, person)) == list(found)
