"""From the data of rule files to rules."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.guards.judge import policy_on
from whereupon.messages.model import MessageType
from whereupon.rules import model as rules
from whereupon.rules.reader import json_schema, parse_rule_file, rule_from_source
from whereupon.rules.reader.words import SPELLINGS
from whereupon.rules.rule_reader import InternPool
from whereupon.rules.steps.send import SendForm
from whereupon.templates import Content, Template

CAMPAIGN: dict[str, JsonValue] = {
    "campaign": "x",
    "when": "purchase",
    "reentry": "once",
    "whereupon": ["exit"],
}
SEGMENTS: dict[str, JsonValue] = {"pro": {"plan": "pro"}}


def _rule(segments: Mapping[str, JsonValue] = SEGMENTS, /, **changes: JsonValue) -> rules.Rule:
    rule, diagnostics = parse_rule_file({**CAMPAIGN, **changes}, stem="x", segments=segments)
    assert diagnostics == ()
    assert isinstance(rule, rules.Rule)
    return rule


def _codes(data: JsonValue) -> list[str]:
    _, diagnostics = parse_rule_file(data, stem="x", segments=SEGMENTS)
    return [diagnostic.code for diagnostic in diagnostics]


def test_the_shortest_campaign_has_the_defaults_of_the_grammar() -> None:
    """72 hours, retroactive, active, no condition, no exit."""
    rule = _rule()
    assert rule.max_age == timedelta(hours=72)
    assert rule.retroactive == rules.Retroactive(rules.Take.ALL)
    assert rule.active == rules.Active()
    assert (rule.exits, rule.steps) == ((), (rules.Leave(),))


@pytest.mark.parametrize(
    ("when", "trigger"),
    [
        ("purchase", rules.OnMessage(MessageType.TRACK, ("purchase",))),
        ("api", rules.OnMessage(MessageType.TRACK, ("api",))),
        (["a", "Order *"], rules.OnMessage(MessageType.TRACK, ("a",), ("Order ",))),
        ({"page": "Pricing"}, rules.OnMessage(MessageType.PAGE, ("Pricing",))),
        ({"screen": "Cart*"}, rules.OnMessage(MessageType.SCREEN, (), ("Cart",))),
        ({"enters": "pro"}, rules.OnSegment("pro", rules.SegmentChange.ENTERS)),
        ({"leaves": "pro"}, rules.OnSegment("pro", rules.SegmentChange.LEAVES)),
    ],
)
def test_when_names_messages_or_a_change_of_segment(
    when: JsonValue, trigger: rules.Trigger
) -> None:
    """Each form of `when` becomes its trigger."""
    assert _rule(when=when).triggers == (trigger,)


@pytest.mark.parametrize(
    ("when", "trigger"),
    [
        ("api", rules.OnCall()),
        ("sale", rules.OnMessage(MessageType.TRACK, ("sale",))),
        ({"cron": "0 9 * * MON"}, rules.OnSchedule("0 9 * * MON", "UTC")),
        (
            {"cron": "0 9 * * *", "timezone": "Europe/Paris"},
            rules.OnSchedule("0 9 * * *", "Europe/Paris"),
        ),
    ],
)
def test_a_broadcast_is_also_triggered_by_the_host_and_by_time(
    when: JsonValue, trigger: rules.Trigger
) -> None:
    """`api` and `cron` are for broadcasts."""
    data: dict[str, JsonValue] = {"broadcast": "x", "when": when, "whereupon": ["exit"]}
    rule, diagnostics = parse_rule_file(data, stem="x", segments={})
    assert diagnostics == ()
    assert isinstance(rule, rules.Rule)
    assert (rule.triggers, rule.kind) == ((trigger,), rules.RuleKind.BROADCAST)


@pytest.mark.parametrize(
    ("reentry", "expected"),
    [
        ("once", rules.Once()),
        ("every_time", rules.EveryTime()),
        ("not_while_active", rules.NotWhileActive()),
        ({"once_per": "7d"}, rules.OncePer(timedelta(days=7))),
        ({"once_per": "month"}, rules.OncePerCalendar(rules.CalendarSpan.MONTH)),
        ({"once_per_key": "properties.order.id"}, rules.OncePerKey(("properties", "order", "id"))),
    ],
)
def test_reentry_has_six_forms(reentry: JsonValue, expected: rules.Reentry) -> None:
    """Each form of `reentry` becomes its value."""
    assert _rule(reentry=reentry).reentry == expected


@pytest.mark.parametrize(
    ("retroactive", "expected"),
    [
        (True, rules.Retroactive(rules.Take.ALL)),
        (False, rules.Retroactive(rules.Take.NONE)),
        (
            {"take": "last", "within": "24h"},
            rules.Retroactive(rules.Take.LAST, timedelta(hours=24)),
        ),
    ],
)
def test_retroactive_says_which_claimed_messages_trigger(
    retroactive: JsonValue, expected: rules.Retroactive
) -> None:
    """All, none, or one of them, and how old they may be."""
    assert _rule(retroactive=retroactive).retroactive == expected


def test_a_date_alone_is_midnight_in_utc() -> None:
    """`active` takes dates as well as instants."""
    active = _rule(active={"from": "2026-01-31", "until": "2026-02-01T01:00:00+01:00"}).active
    assert active.since == datetime(2026, 1, 31, tzinfo=UTC)
    assert active.until == datetime(2026, 2, 1, tzinfo=UTC)


def test_an_exit_is_an_event_a_segment_left_or_a_condition() -> None:
    """A list of exits means any of them."""
    exits = _rule(
        exit=["refund", {"event": "refund", "where": {"price": 5}}, {"leaves": "pro"}, {"a": 1}]
    ).exits
    assert exits[0] == rules.ExitOnEvent("refund")
    assert [type(one) for one in exits[1:]] == [
        rules.ExitOnEvent,
        rules.ExitOnLeaving,
        rules.ExitOnCondition,
    ]


def test_texts_that_liquid_would_act_on_become_templates_at_every_depth() -> None:
    """Plain texts stay texts."""
    step = _rule(
        whereupon=[{"send": "push", "title": "Hi", "data": {"a": ["{{ event }}", 5]}}]
    ).steps[0]
    content: Content = {"title": "Hi", "data": {"a": [Template("{{ event }}"), 5]}}
    assert step == rules.Send("push", content)


def test_every_step_that_runs_has_its_value() -> None:
    """`wait`, `set`, `track` and `exit`, in their order."""
    steps = _rule(whereupon=[{"wait": "2h"}, {"set": {"a": 1}}, {"track": "T"}, "exit"]).steps
    assert steps == (
        rules.Wait(timedelta(hours=2)),
        rules.SetAttributes({"a": 1}),
        rules.TrackEvent("T", {}),
        rules.Leave(),
    )


def test_a_guard_file_lets_the_server_run_and_holds_the_client_by_default() -> None:
    """What the file says of one class of sender leaves the other as it was."""
    data: JsonValue = {"guard": "x", "actions": ["Delete Person"], "sources": {"client": "refuse"}}
    guard, diagnostics = parse_rule_file(data, stem="x", segments={})
    assert diagnostics == ()
    assert isinstance(guard, rules.Guard)
    assert guard.sources == {"client": rules.Consent.REFUSE}
    policy = policy_on("Delete Person", [guard])
    assert policy.sources == {"server": rules.Consent.RUN, "client": rules.Consent.REFUSE}


def test_an_event_file_names_the_event_by_its_id_unless_it_says_otherwise() -> None:
    """`name` is the event as it is sent."""
    plain, _ = parse_rule_file({"event": "x"}, stem="x", segments={})
    named, _ = parse_rule_file({"event": "x", "name": "Product Added"}, stem="x", segments={})
    assert isinstance(plain, rules.EventPlan)
    assert isinstance(named, rules.EventPlan)
    assert (plain.name, named.name) == ("x", "Product Added")


def test_a_settings_file_names_channels_and_attributes_and_says_what_is_kept() -> None:
    """A key that is left out has its default; weeks and years are 7 and 365 days."""
    data: JsonValue = {
        "settings": "settings",
        "channels": ["push", "email", "push"],
        "attributes": {"plan": {"enum": ["free", "pro"]}, "renews_at": "date"},
        "keep": {"skips": "2w", "entries": "1y6h", "set_aside": "forever"},
    }
    value, diagnostics = parse_rule_file(data, stem="settings", segments={})
    assert diagnostics == ()
    assert value == rules.FolderSettings(
        channels=("push", "email"),
        attributes={
            "plan": {"enum": ["free", "pro"]},
            "renews_at": {"type": "string", "format": "date"},
        },
        keep=rules.Retention(
            skips=timedelta(days=14),
            deliveries=timedelta(days=90),
            entries=timedelta(days=365, hours=6),
            set_aside=None,
        ),
    )
    assert rules.Rulebook().settings == rules.FolderSettings()


def test_the_digest_changes_with_the_rule_and_with_the_segments_it_leads_to() -> None:
    """Also with a segment of a segment; a segment that is not mentioned does not count."""
    chain: dict[str, JsonValue] = {"pro": {"segment": "paying"}, "paying": {"plan": "pro"}}
    digest = _rule(chain, who={"segment": "pro"}).digest
    assert len(digest) == 16
    assert _rule(chain, who={"segment": "pro"}).digest == digest
    assert _rule(chain, who={"segment": "pro"}, max_age="1h").digest != digest
    assert _rule({**chain, "paying": {"plan": "team"}}, who={"segment": "pro"}).digest != digest
    assert _rule({**chain, "staff": {"staff": True}}, who={"segment": "pro"}).digest == digest


_conditions: st.SearchStrategy[JsonValue] = st.sampled_from(
    [
        {"price": {"gt": 20}},
        {"price": {"gt": 20.0}, "plan": ["pro", "team"]},
        {"price": {"gt": True}},
        {"plan": 1},
        {"plan": "1"},
        {"any": [{"plan": "pro"}, {"price": {"gt": 20}}]},
        {"segment": "pro"},
        {"performed": {"event": "x", "where": {"price": {"gt": 20}}}},
        {"properties.price": 1},
        {"logic": {"<": [{"var": "properties.price"}, 1]}},
        {"logic": {">": [{"var": "properties.price"}, 1]}},
    ]
)
_files = st.fixed_dictionaries(
    {"campaign": st.just("x"), "when": st.sampled_from(["a", ["a", "b*"], {"enters": "no"}])},
    optional={
        "where": _conditions,
        "who": _conditions,
        "reentry": st.sampled_from(["once", {"once_per": "1d"}, "twice"]),
        "retroactive": st.sampled_from([True, False, {"take": "last"}]),
        "active": st.sampled_from([True, 1, {"until": "2026-01-31"}]),
        "whereupon": st.sampled_from(
            [["exit"], [{"send": "push", "to": "x"}], [{"set": {"a": 1}}], [{"set": {"a": True}}]]
        ),
    },
)


@given(files=st.lists(_files, max_size=6))
def test_files_that_share_what_they_say_are_read_as_if_alone(files: list[JsonValue]) -> None:
    """The same rules, with the same diagnostics, repeated for each file."""
    pool = InternPool()
    together = [parse_rule_file(f, stem="x", segments=SEGMENTS, pool=pool) for f in files]
    assert together == [parse_rule_file(file, stem="x", segments=SEGMENTS) for file in files]


def test_what_rules_say_alike_is_kept_once() -> None:
    """A rule like others needs memory only for itself, its id, its digest and its text."""
    pool = InternPool()
    where = {"product": ["socks", "shoes"], "price": {"gt": 20}}
    send = {"send": "push", "title": "Thanks!"}
    value = {**CAMPAIGN, "where": where, "who": {"plan": "pro"}, "whereupon": [send]}
    one, two = (
        parse_rule_file(json.loads(json.dumps(value)), stem="x", segments={}, pool=pool)[0]
        for _ in range(2)
    )
    assert isinstance(one, rules.Rule)
    assert isinstance(two, rules.Rule)
    parts = zip(
        (*one.where.conjuncts, *one.who.conjuncts, one.triggers, one.steps, one.reentry),
        (*two.where.conjuncts, *two.who.conjuncts, two.triggers, two.steps, two.reentry),
        strict=True,
    )
    assert all(mine is yours for mine, yours in parts)


def test_a_source_is_what_was_written_even_what_json_has_no_word_for() -> None:
    """NaN stays NaN, and text that is not Unicode stays as it is."""
    written = _rule(whereupon=[{"set": {"whole": 10**30, "half": "\ud800", "few": [1, 1.0, True]}}])
    step = {"set": {"whole": 10**30, "half": "\ud800", "few": [1, 1.0, True]}}
    assert repr(dict(written.source)["whereupon"]) == repr([step])
    none = _rule(whereupon=[{"set": {"none": float("nan")}}]).source["whereupon"]
    assert "nan" in repr(none)


def test_a_rule_can_be_read_again_from_its_source() -> None:
    """The stored source and the segments are all that is needed."""
    rule = _rule(who={"segment": "pro"}, reentry={"once_per": "7d"})
    again = rule_from_source(rule.source, SEGMENTS)
    assert (again.digest, again.reentry, again.id) == (rule.digest, rule.reentry, rule.id)


def test_a_source_that_is_no_rule_raises() -> None:
    """A stored rule that this version cannot read is not skipped silently."""
    with pytest.raises(ValueError, match="cannot be read: say whether the same person"):
        rule_from_source({"campaign": "x", "when": "purchase", "whereupon": ["exit"]}, {})


def test_no_rule_is_triggered_or_sent_a_semantic_event() -> None:
    """Semantic events are consumed: no campaign sees one, and no step may ask for one."""
    when: JsonValue = ["purchase", "User Deleted"]
    track: JsonValue = [{"track": "Delete Person"}]
    assert _codes({**CAMPAIGN, "when": when, "whereupon": track}) == [
        "semantic-event",
        "semantic-event",
    ]


def test_a_fault_in_one_part_hides_none_in_another() -> None:
    """The parts beside an error of form are checked in the same run."""
    codes = _codes(
        {
            **CAMPAIGN,
            "max_age": "long",
            "reentry": "twice",
            "exit": {"leaves": "nobody"},
            "whereupon": [{"wait": "soon"}, {"send": "push", "title": "{{ "}],
        }
    )
    assert sorted(codes) == [
        "bad-duration",
        "bad-duration",
        "bad-reentry",
        "bad-template",
        "unknown-segment",
    ]


def test_segments_that_lead_back_to_themselves_are_refused() -> None:
    """A cycle of segments has no meaning."""
    segments: dict[str, JsonValue] = {"x": {"segment": "y"}, "y": {"segment": "x"}}
    _, diagnostics = parse_rule_file(
        {"segment": "x", "who": {"segment": "y"}}, stem="x", segments=segments
    )
    assert "segment-cycle" in {diagnostic.code for diagnostic in diagnostics}


def test_the_schema_describes_every_key() -> None:
    """Editors show a description beside each key that they complete."""
    schema = json.loads(json.dumps(json_schema()))
    undescribed = [
        f"{name}.{key}"
        for name, form in schema["$defs"].items()
        for key, field in form.get("properties", {}).items()
        if "description" not in field
    ]
    assert undescribed == []
    assert '"x-ref"' not in json.dumps(schema)


_words = st.sampled_from(
    ["campaign", "broadcast", "segment", "event", "guard", "when", "where", "who", "reentry",
     "whereupon", "exit", "send", "wait", "track", "set", "x", "once", "leaves", "once_per",
     "active", "from", "retroactive", "<name>", "[key]", "cron", "actions", "sources", "type"]
)  # fmt: skip
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _words | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=6),
    max_leaves=20,
)


@given(data=_values)
def test_no_data_makes_the_reader_raise(data: JsonValue) -> None:
    """Any data are a rule file or have diagnostics."""
    file, diagnostics = parse_rule_file(data, stem="x", segments=SEGMENTS)
    assert (file is None) or not any(p.severity == "error" for p in diagnostics)
    assert file is not None or diagnostics


@pytest.mark.parametrize(
    "key", sorted(SPELLINGS.keys() - {*SendForm.model_fields, "wait", "set", "track"})
)
def test_a_word_of_the_grammar_is_never_content(key: str) -> None:
    """In any spelling; keys inside the content are the channel's own."""
    beside: JsonValue = {"send": "push", "title": "Hi", key: "x"}
    assert _codes({**CAMPAIGN, "whereupon": [beside]}) == ["misplaced-key"]
    below: JsonValue = {"send": "push", "title": "Hi", "data": {key: "x"}}
    assert _codes({**CAMPAIGN, "whereupon": [below]}) == []
