"""A broadcast's audience is the same with a store's prefilter and with Python alone."""

from collections.abc import Iterator, Mapping
from itertools import chain, product

from hypothesis import example, given
from hypothesis import strategies as st
from tests.properties.test_conditions import FIXED, HOSTILE, SHORT_FORMS
from tests.properties.test_matching import CLOSE, LIKELY, NEAR
from tests.stores import Opener

from whereupon.conditions import NO_HISTORY, Condition, JsonValue, parse_condition
from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.conditions.operators import OPERATORS
from whereupon.conditions.prefilter import passes
from whereupon.conditions.pushdown import prefilter_of
from whereupon.messages.codec import JsonError, decode, encode
from whereupon.records import Changes, Person
from whereupon.testing.contracts.samples import NOON

KNOWN: dict[str, JsonValue] = {
    "type": "track",
    "event": "so",
    "properties": {
        "text": "socks",
        "number": 20,
        "list": ["socks", "20", 1, None],
        "one": ["socks"],
    },
    "context": {"flag": True},
    "timestamp": "2026-06-01T12:00:00Z",
}
"""What a triggering message says."""

DAYS: tuple[JsonValue, ...] = (
    *("2026-01-31", "2026-02-01T00:00:00Z", "2026-01-31T23:30:00-23:59", "2026-02-01T12:00"),
    *("2026-02-01t00:00:00z", " 2026-01-31", "20260131", "2026-W05-7", "1769904000", "2026-01-3"),
    *(
        1769904000,
        1769904000000,
        1769904000.5,
        "0000-00-00",
        "9999-12-31T23:59:59-01:00",
        "\N{FULLWIDTH DIGIT TWO}",
    ),
)
ODD: tuple[JsonValue, ...] = (
    *("so\0cks", "socks\0", "\0", 'so"cks', "so\\cks", "so\ncks", "🧦", "\u2028", "é"),
    *(5e-324, 1e308, 10**400, 2**53 + 1, 0.1 + 0.2, -0.0),
)
NEARBY: tuple[JsonValue, ...] = (
    *(
        "socks",
        "Socks",
        "20",
        "20.0",
        " 20 ",
        "0x14",
        "2e1",
        "1",
        "0",
        "",
        " ",
        "true",
        "TRUE",
        "null",
    ),
    *(20, 20.0, 20.5, 19, 1, 0, True, False, None),
)
AROUND: list[JsonValue] = [
    [],
    {},
    [None],
    ["socks"],
    [20],
    ["20"],
    [["20"]],
    ["socks", 20],
    [True],
    {"b": "socks"},
    {"b": 20},
    {"b": None},
    {"b": ["socks"]},
    {"é": "socks"},
    {"-1": 20},
]
ATTRIBUTES: st.SearchStrategy[dict[str, JsonValue]] = st.dictionaries(
    st.sampled_from(("a", "a", "b", "c", "é", "a b", "length", "0", "-1", 'q"', "u_1", "a.b")),
    st.one_of(st.sampled_from((*NEARBY, *AROUND, *DAYS, *ODD)), CLOSE, HOSTILE),
)
KEYS = (
    "é",
    "a b",
    "A",
    "length",
    "0",
    "-1",
    'q"',
    "q\\",
    "[0]",
    "$",
    "",
    "\n",
    "{x,y}",
    "%s",
    ":x",
)
LIMITS: tuple[JsonValue, ...] = (
    *("2026-02-01", "2026-01-31T12:00:00+12:00", "0001-01-01", "9999-12-31", 1769904000),
)
EXPECTED = st.one_of(
    NEAR,
    st.sampled_from(tuple({op: limit} for op in ("before", "after") for limit in LIMITS)),
    st.one_of(FIXED, st.sampled_from((*NEARBY, *ODD))),
    st.builds(lambda text: {"starts_with": text}, st.sampled_from(("so", "2", "🧦", "so\0"))),
    st.builds(lambda text: {"ends_with": text}, st.sampled_from(("ks", "0", "\0", "🧦"))),
    st.builds(lambda text: {"contains": text}, st.sampled_from(("ck", "0", '"', "\\", 20))),
)
STANDARD = ("==", "!=", "===", "!==", ">", ">=", "<", "<=", "in")
SAID = ("properties.text", "properties.number", "properties.list", "properties.one", "properties")
PATHS = st.sampled_from(
    ("a", "b", "é", "a b", "a.b", r"a\.b", "a.0", "a.-1", "a.length", 'q"', "u_1", "a.é")
)
SHORT = st.dictionaries(PATHS, EXPECTED, min_size=1, max_size=3)
VARIABLES: st.SearchStrategy[JsonValue] = st.sampled_from(
    tuple(
        {"var": path}
        for path in (
            *("person.a", "person.b", "person.a.b", "person", "event", "properties.text"),
            *(
                "properties.number",
                "properties.list",
                "properties.one",
                "properties.no",
                "context.flag",
            ),
        )
    )
)
SIDES = st.one_of(VARIABLES, VARIABLES, FIXED, st.none(), st.lists(FIXED, max_size=3))
CALLS: st.SearchStrategy[JsonValue] = st.builds(
    lambda op, *sides: {op: list(sides)},
    st.sampled_from(("==", "!=", "===", "!==", ">", ">=", "<", "<=", "in", "and", "or", "cat")),
    SIDES,
    SIDES,
) | st.builds(
    lambda op, *sides: {op: list(sides)}, st.sampled_from(("<", "<=")), SIDES, SIDES, SIDES
)
LOGIC: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(CALLS, CALLS, VARIABLES, SIDES),
    lambda inner: st.one_of(
        st.builds(lambda op, one: {op: [one]}, st.sampled_from(("!", "!!")), inner),
        st.builds(lambda op, some: {op: some}, st.sampled_from(("and", "or")), st.lists(inner)),
        st.builds(lambda *three: {"if": list(three)}, inner, inner, inner),
    ),
    max_leaves=5,
)
CONDITIONS: st.SearchStrategy[JsonValue] = st.recursive(
    st.one_of(SHORT, SHORT, LIKELY, SHORT_FORMS, st.builds(lambda logic: {"logic": logic}, LOGIC)),
    lambda inner: st.one_of(
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda each: {"any": each}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=4,
)


ZONES = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12")


def condition_of(raw: object, zone: str = "UTC") -> Condition:
    """The condition as the `who` of a rule with that timezone."""
    return parse_condition(raw, root="person", history_allowed=True, zone=zone)[0]  # type: ignore[arg-type]


def holds(condition: Condition, attributes: Mapping[str, JsonValue]) -> bool:
    """Whether it holds for a person with these attributes."""
    return condition.holds({**KNOWN, "person": dict(attributes)}, NO_HISTORY)


def is_stored(attributes: Mapping[str, JsonValue]) -> bool:
    """Whether a store can keep the attributes."""
    try:
        decode(encode(attributes))
    except JsonError:
        return False
    return True


def every_test() -> Iterator[Mapping[str, object]]:
    """One test of each kind, on one attribute."""
    it: JsonValue = {"var": "person.a"}
    for op in STANDARD:
        for fixed in (*NEARBY, *ODD):
            yield from ({"logic": {op: [it, fixed]}}, {"logic": {op: [fixed, it]}})
        yield from ({"logic": {op: [it, {"var": name}]}} for name in SAID)
    for fixed in (*NEARBY[:-1], *ODD):
        yield from ({"a": fixed}, {"a.b": fixed}, {"logic": {"<": [19, it, fixed]}})
        yield from ({"a": [fixed, other]} for other in ("socks", 20, True))
    for text in ("so", "20", "0", "🧦", "\0"):
        yield from ({"a": {op: text}} for op in ("starts_with", "ends_with", "contains"))
    yield from ({"a": {op: limit}} for op in ("before", "after") for limit in LIMITS)
    yield from ({key: "socks"} for key in (*KEYS, "a.é", "a.0", "a.length"))
    yield from ({"a": {"contains": 20}}, {"a": {"exists": True}}, {"a": {"matches": "^s"}})
    yield from (
        {"a": {"in": [*options, *range(30)]}} for options in ((), (2**60,), ("socks", True))
    )
    yield from ({"a": {name: row.example}} for name, row in OPERATORS.items())
    yield from ({"a": {name: test.example}} for name, test in ITEM_TESTS.items())
    yield from ({"a": {name: options}} for name in ITEM_TESTS for options in ("socks", [20, "so"]))
    yield from ({"not": {"a": {name: "socks"}}} for name in ITEM_TESTS)
    yield from ({"logic": it}, {"logic": {"!!": [{"var": "person.a.b"}]}}, {"a.-1": 20})


@given(raw=CONDITIONS, zone=st.sampled_from(ZONES), attributes=ATTRIBUTES)
def test_every_person_for_whom_a_condition_holds_passes_its_prefilter(
    raw: JsonValue, zone: str, attributes: dict[str, JsonValue]
) -> None:
    """For any condition, timezone and attributes."""
    condition = condition_of(raw, zone)
    if holds(condition, attributes):
        assert passes(prefilter_of(condition, KNOWN), attributes)


@given(raw=CONDITIONS, people=st.lists(ATTRIBUTES.filter(is_stored), max_size=6))
@example(raw={"a": {"ne": "so"}}, people=[{"a": "so\0cks"}, {"a": "so"}, {"a": ["so"]}])
@example(raw={"not": {"a": {"gt": 20}}}, people=[{"a": 10**400}, {"a": -(10**400)}, {}])
def test_every_store_finds_the_audience_that_python_finds(
    opener: Opener, raw: JsonValue, people: list[dict[str, JsonValue]]
) -> None:
    """The condition holds for no person whom the store leaves out."""
    condition = condition_of(raw)
    made = [Person(key, f"p-{key}", NOON, each) for key, each in enumerate(people, 1)]
    with opener() as store:
        with store.session() as session:
            session.flush(Changes(persons={person.key: person for person in made}))
        with store.session() as session:
            everybody = session.persons_after(0, len(made) + 1)
            found, cursor = session.take_audience(0, 9, prefilter_of(condition, KNOWN), 9)
    assert cursor is None
    admitted = [person.key for person in everybody if holds(condition, person.attributes)]
    assert [person.key for person in found if holds(condition, person.attributes)] == admitted


def test_every_test_is_as_strict_in_every_store_as_in_python(opener: Opener) -> None:
    """For each test, its negation, and each value: everybody for whom it holds in Python passes."""
    values = [each for each in (*NEARBY, *AROUND, *DAYS, *ODD) if is_stored({"a": each})]
    made = [Person(key, f"p-{key}", NOON, {"a": each}) for key, each in enumerate(values, 1)]
    made.append(Person(len(made) + 1, "keys", NOON, dict.fromkeys(KEYS, "socks")))
    made.append(Person(len(made) + 1, "nothing", NOON, {}))
    opposites = ({"not": each} for each in every_test())
    denied = kept_back = 0
    with opener() as store:
        with store.session() as session:
            session.flush(Changes(persons={person.key: person for person in made}))
        with store.session() as session:
            everybody = session.persons_after(0, len(made))
            for raw, zone in product(chain(every_test(), opposites), ZONES):
                if zone != "UTC" and not ("before" in str(raw) or "after" in str(raw)):
                    continue
                condition = condition_of(raw, zone)
                found, _ = session.take_audience(0, 999, prefilter_of(condition, KNOWN), 999)
                admitted = [p.key for p in everybody if holds(condition, p.attributes)]
                assert {*admitted} <= {person.key for person in found}, raw
                denied += len(everybody) - len(admitted)
                kept_back += len(everybody) - len(found)
    assert kept_back > denied / 3


def test_no_condition_is_too_large_for_a_store(opener: Opener) -> None:
    """Neither many values, nor many tests, nor tests within tests."""
    many: list[JsonValue] = [*range(5_000), *map(str, range(5_000, 20_000))]
    some = [{f"a{number}": {"in": [*range(20), "x"]}} for number in range(100)]
    deep: dict[str, object] = {"a": "socks"}
    for _ in range(10):
        deep = {"not": {"any": [{"not": {"any": [deep, {"b": "socks"}]}}, {"b": "shoes"}]}}
    among = {"logic": {"in": [{"var": "person.many"}, {"var": "properties.many"}]}}
    ada = Person(1, "ada", NOON, {"a": "socks", "a99": 19, "many": "19999"})
    data: dict[str, JsonValue] = {"properties": {"many": many}}
    with opener() as store, store.session() as session:
        session.flush(Changes(persons={1: ada}))
        for raw in ({"any": some}, {"any": [*some, {"a": "socks"}]}, deep, among):
            condition = condition_of(raw)
            assert condition.conjuncts
            assert condition.holds({**data, "person": dict(ada.attributes)}, NO_HISTORY)
            found, _ = session.take_audience(0, 9, prefilter_of(condition, data), 9)
            assert found == [ada]
