"""Lint: names that the tracking plan does not know, and likely mistakes."""

import sys
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples

from whereupon.errors import Severity
from whereupon.rules.loading.chains import Chains
from whereupon.rules.loading.folders import check_names, open_rules
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.testing.plan_checks import names_in_tests
from whereupon.testing.runner import run_rule_tests

GOOD = {
    "settings.yaml": """
        settings: settings
        channels: [email, push]
        attributes:
          first_name: text
          plan: {enum: [free, pro]}
          vip: boolean
          address: {type: object, properties: {city: {type: string}}}
          unused: any
        """,
    "purchase.yaml": """
        event: purchase
        properties:
          product: {type: string}
          price: {type: number}
          order_id: {type: string}
          items: {type: array, items: {type: object, properties: {sku: {type: string}}}}
          payment: {type: object, properties: {method: {type: string}}}
        """,
    "order-refunded.yaml": """
        event: order-refunded
        name: Order Refunded
        properties: {order_id: {type: string}, total: {type: number}}
        """,
    "became-vip.yaml": """
        event: became-vip
        name: Became VIP
        properties: {order_id: {type: string}}
        """,
    "pros.yaml": """
        segment: pros
        who: {plan: pro, not: {performed: {event: Order Refunded, where: {total: {gt: 5}}}}}
        """,
    "deletions.yaml": """
        guard: deletions
        description: Who may be deleted.
        actions: [Delete Person]
        protect: [{vip: true}]
        """,
    "thanks.yaml": """
        campaign: thanks
        description: One.
        when: purchase
        where:
          any: [{product: socks}, {payment.method: card}]
          logic: {">": [{"var": "properties.price"}, 20]}
        who:
          all: [{plan: pro}, {segment: pros}]
          performed: {event: purchase, where: {product: socks}, at_least: 2}
        reentry: {once_per_key: properties.order_id}
        exit:
          - Order Refunded
          - {event: Order Refunded, where: {total: {gt: 10}}}
          - {vip: true}
        whereupon:
          - set: {vip: true, first_name: "{{ properties.product | default: 'x' }}"}
          - track: Became VIP
            properties: {order_id: "{{ properties.order_id | default: '' }}"}
          - send: email
            subject: "Dear {{ person.first_name | default: 'friend' }}"
            data: {lines: ["{{ properties.payment.method | default: '' }}", "{{ person.address.city | default: '' }}"]}
        """,
    "welcome.yaml": """
        campaign: welcome
        description: Two.
        when: [purchase, "Order *"]
        reentry: once
        whereupon: [exit]
        """,
    "thanks.test.yaml": """
        tests:
          - name: one
            given:
              - {identify: ada, traits: {plan: pro, address: {city: Paris}}}
              - {track: purchase, user: ada, properties: {product: socks, payment: {method: card}}}
            expect: []
        """,
}


def _written(folder: Path, *, typo: tuple[str, str, str] | None = None) -> Path:
    """The folder of good files, with one text in one of them replaced."""
    for name, text in GOOD.items():
        lines = [line.removeprefix("        ") for line in text.strip("\n").splitlines()]
        content = "\n".join(lines) + "\n"
        if typo is not None and typo[0] == name:
            assert typo[1] in content
            content = content.replace(typo[1], typo[2], 1)
        (folder / name).write_text(content)
    return folder


def _found(folder: Path) -> list[str]:
    return [d.code for d in run_rule_tests(folder).diagnostics]


def test_a_folder_that_keeps_to_its_plan_has_no_diagnostics(tmp_path: Path) -> None:
    """In every place where a name may stand."""
    assert run_rule_tests(_written(tmp_path)).diagnostics == ()


@pytest.mark.parametrize(
    ("file", "good", "bad", "code", "meant"),
    [
        ("welcome.yaml", "[purchase", "[pruchase", "unknown-event", "purchase"),
        ("welcome.yaml", "Order *", "Oder *", "unknown-event", "Order *"),
        ("welcome.yaml", "[purchase", "[puchrase", "unknown-event", "purchase"),
        ("thanks.yaml", "when: purchase", "when: Purchase", "unknown-event", "purchase"),
        ("thanks.yaml", "- Order Refunded", "- Order Refnded", "unknown-event", "Order Refunded"),
        ("thanks.yaml", "event: Order Refunded", "event: order_refunded", "unknown-event", "Order Refunded"),
        ("thanks.yaml", "event: purchase", "event: purchas", "unknown-event", "purchase"),
        ("thanks.yaml", "track: Became VIP", "track: Becam VIP", "unknown-event", "Became VIP"),
        ("pros.yaml", "event: Order Refunded", "event: Order Refundd", "unknown-event", "Order Refunded"),
        ("thanks.test.yaml", "track: purchase", "track: purchse", "unknown-event", "purchase"),
        ("thanks.yaml", "{product: socks}, {pay", "{prodct: socks}, {pay", "unknown-property", "product"),
        ("thanks.yaml", "payment.method: card", "payment.metod: card", "unknown-property", "method"),
        ("thanks.yaml", "properties.price", "properties.pirce", "unknown-property", "price"),
        ("thanks.yaml", "where: {product: socks}, at", "where: {produkt: socks}, at", "unknown-property", "product"),
        ("thanks.yaml", "where: {total", "where: {totla", "unknown-property", "total"),
        ("pros.yaml", "where: {total", "where: {toal", "unknown-property", "total"),
        ("thanks.yaml", "once_per_key: properties.order_id", "once_per_key: properties.orderid", "unknown-property", "order_id"),
        ("thanks.yaml", "{{ properties.product", "{{ properties.prodct", "unknown-property", "product"),
        ("thanks.yaml", "{{ properties.payment.method", "{{ properties.payment.mehod", "unknown-property", "method"),
        ("thanks.yaml", 'properties: {order_id: "', 'properties: {order_di: "', "unknown-property", "order_id"),
        ("thanks.test.yaml", "product: socks", "prodcut: socks", "unknown-property", "product"),
        ("thanks.test.yaml", "method: card", "methd: card", "unknown-property", "method"),
        ("thanks.yaml", "[{plan: pro}", "[{paln: pro}", "unknown-attribute", "plan"),
        ("thanks.yaml", "- {vip: true}", "- {vpi: true}", "unknown-attribute", "vip"),
        ("thanks.yaml", "set: {vip", "set: {vpi", "unknown-attribute", "vip"),
        ("thanks.yaml", "person.first_name", "person.firstname", "unknown-attribute", "first_name"),
        ("thanks.yaml", "person.address.city", "person.address.ctiy", "unknown-attribute", "city"),
        ("pros.yaml", "plan: pro", "plna: pro", "unknown-attribute", "plan"),
        ("deletions.yaml", "vip: true", "vpi: true", "unknown-attribute", "vip"),
        ("thanks.test.yaml", "plan: pro", "plann: pro", "unknown-attribute", "plan"),
        ("thanks.test.yaml", "city: Paris", "cty: Paris", "unknown-attribute", "city"),
        ("thanks.yaml", "send: email", "send: emial", "unknown-channel", "email"),
        ("thanks.test.yaml", "expect: []", "expect: [{delivery: pusch, to: ada}]", "unknown-channel", "push"),
        ("thanks.test.yaml", "expect: []", "expect: [{withheld: emai, to: ada}]", "unknown-channel", "email"),
    ],
)  # fmt: skip
def test_a_misspelt_name_is_an_error_with_what_was_meant(
    file: str, good: str, bad: str, code: str, meant: str, tmp_path: Path
) -> None:
    """In every place, and nothing else is reported."""
    report = run_rule_tests(_written(tmp_path, typo=(file, good, bad)))
    (only,) = report.diagnostics
    assert (only.code, only.severity) == (code, Severity.ERROR)
    assert only.location.file == (tmp_path / file).as_posix()
    assert f"did you mean {meant!r}?" in only.message


@pytest.mark.parametrize(
    ("file", "good", "bad", "code"),
    [
        ("welcome.yaml", "[purchase", "[Trial Started", "unknown-event"),
        ("thanks.yaml", "{product: socks}, {pay", "{colour: red}, {pay", "unknown-property"),
        ("thanks.yaml", "- {vip: true}", "- {plan: premium}", "unknown-value"),
        ("thanks.yaml", "set: {vip: true", "set: {vip: maybe", "type-mismatch"),
        ("thanks.yaml", "where: {total: {gt: 10}}", "where: {any: [{total: much}]}", "type-mismatch"),
        ("thanks.yaml", "where: {total: {gt: 10}}", "where: {total: {between: [1a, 1b]}}", "type-mismatch"),
        ("thanks.yaml", '"properties.price"}, 20', '"properties.price"}, "much"', "type-mismatch"),
        ("thanks.yaml", "[{plan: pro}", "[{not: {plan: gold}}", "unknown-value"),
    ],
)  # fmt: skip
def test_what_the_plan_contradicts_or_may_yet_learn_is_a_warning(
    file: str, good: str, bad: str, code: str, tmp_path: Path
) -> None:
    """A new name is not a misspelling: the plan may grow after the rules."""
    (only,) = run_rule_tests(_written(tmp_path, typo=(file, good, bad))).diagnostics
    assert (only.code, only.severity) == (code, Severity.WARNING)


@pytest.mark.parametrize(
    ("logic", "operator"),
    [
        ('{">": [{"var": "properties.items"}, 5]}', ">"),
        ('{"and": [{"!": [{"<=": [{"var": "properties.items"}, {"var": "properties.price"}]}]}]}', "<="),
        ('{"<": [5, {"+": [{"var": "properties.price"}, {"var": "properties.items"}]}]}', "+"),
        ('{"<": [{"var": "person.vip"}, {"var": "properties.price"}]}', "<"),
        ('{">": [{"var": "properties.product"}, {"var": "properties.price"}]}', ""),
        ('{">": [{"var": "properties.price"}, "20.5"]}', ""),
        ('{"<": [1, {"var": "properties.price"}, 5]}', ""),
        ('{"<": [5, {"var": "person.unused"}]}', ""),
        ('{">": [{"-": [{"var": "properties.price"}]}, 5]}', ""),
        ('{"some": [{"var": "properties.items"}, {">": [{"var": "price"}, "x"]}]}', ""),
    ],
)  # fmt: skip
def test_logic_is_checked_by_the_types_of_the_plan(
    logic: str, operator: str, tmp_path: Path
) -> None:
    """What a list is compared with; a text may read as a number, so it may be compared with one."""
    good = '{">": [{"var": "properties.price"}, 20]}'
    report = run_rule_tests(_written(tmp_path, typo=("thanks.yaml", good, logic)))
    found = [d for d in report.diagnostics if d.code == "type-mismatch"]
    assert [f'"{operator}"' in d.message for d in found] == ([True] if operator else [])


def test_a_decoy_in_a_test_is_left_alone(tmp_path: Path) -> None:
    """A test may send an unknown event, to show that nothing happens."""
    decoy = ("thanks.test.yaml", "track: purchase", "track: Guide Read")
    assert _found(_written(tmp_path, typo=decoy)) == []


def test_names_that_differ_by_a_number_do_not_resemble_each_other(tmp_path: Path) -> None:
    """Step 1 and Step 2 are two events."""
    (tmp_path / "step-1.yaml").write_text("event: step-1\nname: Step 1 Done\n")
    (tmp_path / "a.yaml").write_text(_rule("a", when="Step 2 Done"))
    (only,) = run_rule_tests(tmp_path).diagnostics
    assert (only.code, only.severity) == ("unknown-event", Severity.WARNING)


def test_a_folder_without_a_plan_is_held_to_none(tmp_path: Path) -> None:
    """Events, attributes and channels need not be described."""
    (tmp_path / "a.yaml").write_text(_rule("a", who="{anything: 1}", steps="[{send: telex}]"))
    assert _found(tmp_path) == []


def _rule(name: str, *, when: str = "purchase", who: str = "", steps: str = "[exit]") -> str:
    more = f"who: {who}\n" if who else ""
    return (
        f"campaign: {name}\ndescription: One.\nwhen: {when}\nreentry: every_time\n"
        f"{more}whereupon: {steps}\n"
    )


# --- what a list's items are asked for --------------------------------------------------------------


@pytest.mark.parametrize("loop", ["some", "all", "none", "filter", "map"])
def test_a_path_that_looks_into_an_item_is_an_error(loop: str, tmp_path: Path) -> None:
    """Within a loop only the item is visible; the person is not in it."""
    where = f'{{logic: {{{loop}: [{{"var": "properties.items"}}, {{"==": [{{"var": "person.vip"}}, 1]}}]}}}}'
    (tmp_path / "a.yaml").write_text(_rule("a") + f"where: {where}\n")
    (only,) = run_rule_tests(tmp_path).diagnostics
    assert (only.code, only.severity) == ("looks-into-item", Severity.ERROR)


@pytest.mark.parametrize(("name", "found"), [("sku", []), ("skuu", ["unknown-property"])])
def test_an_item_is_held_to_what_the_event_file_says_of_it(
    name: str, found: list[str], tmp_path: Path
) -> None:
    """`items` describes the keys of each item."""
    where = f'{{"some": [{{"var": "properties.items"}}, {{"==": [{{"var": "{name}"}}, "x"]}}]}}'
    logic = '{">": [{"var": "properties.price"}, 20]}'
    assert _found(_written(tmp_path, typo=("thanks.yaml", logic, where))) == found


# --- files with errors ------------------------------------------------------------------------------


def test_a_file_with_an_error_is_warned_about_all_the_same(tmp_path: Path) -> None:
    """All diagnostics come at once: the rest of the file is checked as if the error were not there."""
    text = _rule("a", steps='[{send: push, title: "{{ properties.x }}"}]')
    (tmp_path / "a.yaml").write_text(text.replace("every_time", "sometimes"))
    assert sorted(_found(tmp_path)) == ["bad-reentry", "no-default"]


def test_a_broken_event_file_makes_no_name_unknown(tmp_path: Path) -> None:
    """The event exists; its properties are unknown."""
    (tmp_path / "purchase.yaml").write_text("event: purchase\nproperties: {price: {type: numbr}}\n")
    (tmp_path / "a.yaml").write_text(_rule("a") + "where: {prise: 1}\n")
    assert _found(tmp_path) == ["unknown-type"]


# --- templates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("{{ event.price }}", "properties.price"),
        ("{% if event.price > 5 %}x{% endif %}", "properties.price"),
        ("{{ customer.first_name | default: 'x' }}", "person.first_name"),
        ("{{ customer.id }}", "person.user_id"),
        ("{{ trigger.code | upcase }}", "properties.code"),
        ("{{ user.plan | default: '' }}", "person.plan"),
    ],
)
def test_a_variable_of_another_tool_is_an_error_with_what_to_write(
    text: str, write: str, tmp_path: Path
) -> None:
    """The variable would never have a value; the event's name is `event` alone."""
    (tmp_path / "a.yaml").write_text(_rule("a", steps=f'[{{send: push, title: "{text}"}}]'))
    (only,) = run_rule_tests(tmp_path).diagnostics
    assert (only.code, only.severity) == ("unknown-variable", Severity.ERROR)
    assert f"write {write}" in only.message


def test_a_path_without_braces_is_pointed_out(tmp_path: Path) -> None:
    """It would be sent, or set, as it is written."""
    steps = "[{set: {last: properties.order_id}}, {send: push, title: See person.name}]"
    (tmp_path / "a.yaml").write_text(_rule("a", steps=steps))
    (only,) = run_rule_tests(tmp_path).diagnostics
    assert (only.code, only.severity) == ("path-as-text", Severity.WARNING)
    assert "{{ properties.order_id }}" in only.message


def test_the_name_of_the_event_is_a_variable(tmp_path: Path) -> None:
    """It is a text, with a size."""
    (tmp_path / "a.yaml").write_text(
        _rule("a", steps='[{send: push, title: "{{ event }} {{ event.size }}"}]')
    )
    assert _found(tmp_path) == []


@pytest.mark.parametrize(
    ("condition", "text", "needs_default"),
    [
        ("who: {plan: pro}", "{{ person.plan }}", False),
        ("who: {all: [{plan: {in: [a, b]}}]}", "{{ person.plan }}", False),
        ("who: {any: [{plan: a}, {plan: b}]}", "{{ person.plan }}", False),
        ("who: {any: [{plan: a}, {vip: true}]}", "{{ person.plan }}", True),
        ("who: {segment: members}", "{{ person.email }}", False),
        ("who: {not: {plan: pro}}", "{{ person.plan }}", True),
        ("who: {plan: {exists: false}}", "{{ person.plan }}", True),
        ("who: {plan: pro}", "{{ properties.plan }}", True),
        ('where: {logic: {">": [{var: properties.price}, 5]}}', "{{ properties.price }}", False),
        ('where: {logic: {"<": [{var: properties.price}, -5]}}', "{{ properties.price }}", False),
        ("where: {logic: {in: [{var: properties.price}, [5]]}}", "{{ properties.product }}", True),
        ("where: {items: {exists: true}}", "{{ properties.items.size }}", False),
        ("where: {items.0: x}", "{{ properties.items.size }}", False),
        ("where: {order.id: {exists: true}}", "{{ properties.order.id }}", False),
        ("where: {order.id: {exists: true}}", "{{ properties.order.total }}", True),
        ("where: {other: 1}", "{{ properties.items.size }}", True),
        ("where: {other: 1}", "{{ person.user_id }}", False),
    ],
)
def test_what_a_condition_guarantees_needs_no_default(
    condition: str, text: str, *, needs_default: bool, tmp_path: Path
) -> None:
    """By `where` or `who`, through segments and alternatives; a list that exists has a size."""
    (tmp_path / "members.yaml").write_text("segment: members\nwho: {email: {contains: '@'}}\n")
    rule = _rule("a", steps=f'[{{send: push, title: "{text}"}}]') + condition + "\n"
    (tmp_path / "a.yaml").write_text(rule)
    assert _found(tmp_path) == (["no-default"] if needs_default else [])


def test_who_enters_a_segment_has_what_it_asks_for(tmp_path: Path) -> None:
    """`when: {enters: members}` lets nobody in without an address."""
    (tmp_path / "members.yaml").write_text("segment: members\nwho: {email: {contains: '@'}}\n")
    steps = '[{send: email, subject: "{{ person.email }}", body: Hi}]'
    (tmp_path / "a.yaml").write_text(_rule("a", when="{enters: members}", steps=steps))
    assert _found(tmp_path) == []
    (tmp_path / "a.yaml").write_text(_rule("a", when="{leaves: members}", steps=steps))
    assert _found(tmp_path) == ["no-default"]


# --- time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "is_short"),
    [
        ("0 9 31 * *", True), ("0 9 30 * *", True), ("0 9 29 * *", True), ("0 9 28 * *", False),
        ("0 9 1,15,31 * *", True), ("0 9 29-31 * *", True), ("0 9 1-31 * *", False), ("0 9 * * *", False),
        ("0 9 31 1 *", False), ("0 9 31 jan,mar *", False), ("0 9 30 4-6 *", False), ("0 9 31 4-6 *", True),
        ("0 9 29 2 *", True), ("0 9 */10 * *", False), ("0 9 last * *", False), ("0 9 31 */2 *", True),
        ("0 9 L * *", False), ("0 9 15,l * *", False), ("0 9 31,L * *", False),
    ],
)  # fmt: skip
def test_a_day_that_some_months_lack_is_a_warning(
    cron: str, *, is_short: bool, tmp_path: Path
) -> None:
    """In those months the broadcast does not run."""
    (tmp_path / "a.yaml").write_text(
        f'broadcast: a\nwhen: {{cron: "{cron}"}}\nwhereupon: [{{send: push, title: Hi}}]\n'
    )
    assert _found(tmp_path) == (["short-month"] if is_short else [])


# --- chains -----------------------------------------------------------------------------------------

_BROADCAST = "broadcast: all\nwhen: {}\nwhereupon: [{{send: push, title: Hi}}]\n"


@pytest.mark.parametrize(
    ("rules", "warned"),
    [
        ([("a", "purchase", "[{track: Big}]")], {"a"}),
        ([("a", "purchase", "[{track: Other}]")], set()),
        ([("a", "purchase", "[{track: M}]"), ("b", "M", "[{track: Big}]")], {"a", "b"}),
        ([("a", "purchase", "[{track: M}]"), ("b", "M*", "[{track: N}]"), ("c", "N", "[{track: Big}]")], {"a", "b", "c"}),
        ([("a", "{page: Home}", "[{track: Big}]")], {"a"}),
        ([("a", "{enters: pros}", "[{track: Big}]")], {"a"}),
        ([("a", "purchase", "[{set: {plan: pro}}]"), ("b", "{enters: pros}", "[{track: Big}]")], {"a", "b"}),
        ([("a", "purchase", "[{set: {city: x}}]"), ("b", "{enters: pros}", "[{track: Big}]")], {"b"}),
        ([("a", "purchase", "[{track: M}]"), ("b", "M", "[{track: purchase}]")], set()),
    ],
)  # fmt: skip
def test_a_chain_from_an_event_to_a_broadcast_is_warned_of(
    rules: list[tuple[str, str, str]], warned: set[str], tmp_path: Path
) -> None:
    """At each step of the chain: what a browser sends must not reach everybody."""
    (tmp_path / "pros.yaml").write_text("segment: pros\nwho: {plan: pro}\n")
    (tmp_path / "all.yaml").write_text(_BROADCAST.format("Big"))
    for name, when, steps in rules:
        (tmp_path / f"{name}.yaml").write_text(_rule(name, when=when, steps=steps))
    found = [d for d in run_rule_tests(tmp_path).diagnostics if d.code == "leads-to-broadcast"]
    assert {Path(d.location.file).stem for d in found} == warned
    assert all("broadcast all" in d.message for d in found)


def test_the_shortest_chain_is_told_and_the_first_rule_of_two(tmp_path: Path) -> None:
    """The sentence names the rules between, in their order."""
    (tmp_path / "all.yaml").write_text(_BROADCAST.format("Big"))
    chained = [("a", "purchase", "M"), ("b", "M", "N"), ("c", "M", "N"), ("d", "N", "Big")]
    for name, when, sends in [*chained, ("e", "refund", "N")]:
        (tmp_path / f"{name}.yaml").write_text(
            _rule(name, when=when, steps=f"[{{track: {sends}}}]")
        )
    found = run_rule_tests(tmp_path).diagnostics
    said = {Path(d.location.file).stem: d.message for d in found if d.code == "leads-to-broadcast"}
    assert said["a"].startswith("this leads through b, d to the broadcast all,")
    assert said["b"].startswith("this leads through d to")
    assert said["d"].startswith("this leads to the broadcast all,")
    assert said["e"].startswith("this leads through d to")


@pytest.mark.parametrize("beginning", ["", "*"], ids=["names", "beginnings"])
def test_twice_the_rules_are_twice_the_work(beginning: str, tmp_path: Path) -> None:
    """Every rule tracks what another is triggered by, and what a broadcast is."""
    few, many = (
        _calls_to_find_chains(tmp_path / str(count), count, beginning) for count in (50, 100)
    )
    assert many < 2.2 * few


def _calls_to_find_chains(folder: Path, count: int, beginning: str) -> int:
    """How many functions are called to find the chains of pairs of rules."""
    folder.mkdir()
    (folder / "all.yaml").write_text(_BROADCAST.format("Big"))
    for number in range(count):
        steps = f"[{{track: Next {number:03}}}, {{set: {{plan: pro}}}}]"
        (folder / f"a{number}.yaml").write_text(_rule(f"a{number}", when="purchase", steps=steps))
        when = f"Next {number:03}{beginning}"
        (folder / f"b{number}.yaml").write_text(
            _rule(f"b{number}", when=when, steps="[{track: Big}]")
        )
    rules, called = open_rules(folder).rules, 0

    def note(_: FrameType, kind: str, __: object) -> None:
        nonlocal called
        called += kind in {"call", "c_call"}

    sys.setprofile(note)
    try:
        chains = Chains(rules, {})
        warnings = [warning for rule in rules for warning in chains.diagnostics(rule)]
    finally:
        sys.setprofile(None)
    assert len(warnings) == 2 * count
    return called


def test_a_broadcast_by_the_clock_may_start_another(tmp_path: Path) -> None:
    """Nothing in it comes from a client."""
    (tmp_path / "all.yaml").write_text(_BROADCAST.format("Big"))
    (tmp_path / "weekly.yaml").write_text(
        'broadcast: weekly\nwhen: {cron: "0 9 * * MON"}\nwhereupon: [{track: Big}]\n'
    )
    assert _found(tmp_path) == []


# --- whatever is written ----------------------------------------------------------------------------

_WORDS = [
    "when",
    "where",
    "who",
    "exit",
    "reentry",
    "whereupon",
    "protect",
    "all",
    "any",
    "not",
    "logic",
    "performed",
    "event",
    "send",
    "track",
    "set",
    "tests",
    "properties",
    "once_per_key",
    "given",
    "expect",
    "identify",
    "traits",
    "var",
    "missing",
    "some",
    "map",
    "reduce",
    "if",
    "and",
    "!",
    ">",
    "+",
    "-",
    "merge",
    "foo",
]
_LEAVES: st.SearchStrategy[JsonValue] = st.sampled_from(
    [None, True, 0, -2.5, "", "5", "*", "purchase", "properties.price", "properties.items.0", "person.vip", ".."]
)  # fmt: skip
_WRITTEN: st.SearchStrategy[JsonValue] = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3)
    ),
    max_leaves=25,
)


@examples(300)
@given(data=_WRITTEN, logic=_WRITTEN)
def test_nothing_that_is_written_makes_the_plan_raise(data: JsonValue, logic: JsonValue) -> None:
    """A file with errors is checked against the plan, too, whatever the errors are."""
    price: JsonValue = {"type": "number"}
    items: JsonValue = {"type": "array", "items": {"type": "object", "properties": {"sku": {}}}}
    purchase: dict[str, JsonValue] = {"price": price, "items": items}
    plan = TrackingPlan({"purchase": purchase}, {"vip": {"type": "boolean"}}, ("push",))
    written = data if isinstance(data, dict) else {"whereupon": data}
    rule: JsonValue = {**written, "campaign": "x"}
    guard: JsonValue = {"protect": data, "guard": "x"}
    conditions: dict[str, JsonValue] = {"where": {"logic": logic}, "who": data, "exit": data}
    ruled: JsonValue = {"when": "purchase", **conditions, "campaign": "x"}
    for source in (data, rule, guard, ruled):
        assert all(diagnostic.message for diagnostic in check_names(source, plan))
        assert all(diagnostic.message for diagnostic in names_in_tests(source, plan))
