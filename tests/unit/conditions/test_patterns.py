"""Which regular expressions a rule may have, and what a search with one costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.conditions.messages import diagnostics_of, holds

from whereupon.conditions import JsonValue
from whereupon.conditions.operators.patterns import (
    LARGEST_PROGRAM,
    LONGEST_SUBJECT,
    MOST_STEPS,
    pattern_fault,
    searching,
)


@pytest.mark.parametrize(
    "pattern",
    [
        *("^[a-z0-9._+-]+@example\\.com$", "(foo|bar)", "(foo|bar)?", "a{2,3}b*", "(abc)+", "x|y"),
        *("[(+*]+", "\\(a+\\)+", "(?:ab){2}", "(?i)socks", "(?P<sku>[A-Z]+)-[0-9]+", "[]*]+", "{}"),
        *("\\d+[.]\\d+", ".*[0-9]+$", "(a+)+", "(x+x+)+y", "(?:\\w+\\s?)*$", ".*x.*y.*z", "\\pL+"),
        *("\\d+[,.]?\\d*[,.]?\\d*\\s*(EUR|USD)", "(.*,){11}P", "(a|b){9,}", "([a-z]+)*$"),
    ],
)
def test_every_regular_pattern_is_accepted(pattern: str) -> None:
    """No repetition is dangerous, because a text is read once."""
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("(?=a)b", "it looks ahead or behind; say it with two conditions"),
        ("a(?!b)", "it looks ahead or behind"),
        ("(?<=a)b", "it looks ahead or behind"),
        ("(?<!a)b", "it looks ahead or behind"),
        (r"(a)\1", "it refers back"),
        ("(?P<x>a)(?P=x)", "it refers back"),
        (r"a\Z", r"the end of the text is written \z or $"),
        ("a*+b", "it is possessive or atomic"),
        ("(?>a)b", "it is possessive or atomic"),
        ("(a)?(?(1)b)", "it asks what a group found; write the cases with |"),
        (r"\u20ac", r"is written \x{20ac}"),
        ("(?x)a b", "no flags but i, m, s and U"),
        ("(a{1000}){1000}", "counts, also those within each other, go up to 1000"),
        ("a{1001}", "go up to 1000"),
        ("a{99999999999}", "go up to 1000"),
        ("(?:\\pL?){20}", "it is too large when its counts are written out"),
        ("(?i)(\\pL+\\s?){200}!", "it is too large"),
        ("(", "missing )"),
        ("[a", "missing ]"),
        ("*", "no argument for repetition operator"),
        ("(?P<a", "invalid named capture group"),
        ("x" * 1001, "it is longer than 1000 characters"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_write(pattern: str, advice: str) -> None:
    """Look-arounds and references back above all: they cannot be searched for in bounded time."""
    (diagnostic,) = diagnostics_of({"sku": {"matches": pattern}})
    assert (diagnostic.code, diagnostic.path) == ("bad-regex", ("sku", "matches"))
    assert advice in diagnostic.message


@given(pattern=st.text(alphabet="ab()[]{}*+?|\\.^$,0123dwZ<=!:#P\ud800", max_size=30))
def test_every_pattern_is_searched_for_or_refused(pattern: str) -> None:
    """No text raises an exception, not even half a pair of surrogates."""
    if pattern_fault(pattern) is None:
        searching(pattern)("ab0" * 10 + "\ud83d é\0\n")


def test_a_search_finds_what_is_far_inside_a_text_and_stops_at_its_bound() -> None:
    """Everything that a message can hold is searched; a longer text costs no more."""
    pattern: JsonValue = {"note": {"matches": "needle$"}}
    assert holds(pattern, {"note": "x" * (LONGEST_SUBJECT - 6) + "needle"})
    assert not holds(pattern, {"note": "x" * LONGEST_SUBJECT + "needle"})
    assert holds({"note": {"matches": "^ñ+$"}}, {"note": "ñ" * 1_000})


def test_what_once_took_seconds_takes_as_many_steps_as_the_text_has_characters() -> None:
    """Three hundred digits once stopped a process for 18 s; now thirty thousand take no time."""
    money = r"\d+[,.]?\d*[,.]?\d*\s*(EUR|USD)"
    assert not holds({"total": {"matches": money}}, {"total": "1" * 30_000})
    assert holds({"total": {"matches": money}}, {"total": "1" * 30_000 + " EUR"})
    assert not holds({"it": {"matches": "(x+x+)+y"}}, {"it": "x" * 30_000})


def test_of_a_large_pattern_less_of_a_text_is_searched() -> None:
    """The size of the pattern times that of the text is bounded."""
    large = "(?:a?){900}(?:b?){900}x$"
    assert pattern_fault(large) is None
    assert searching(large)("y" * 9_000 + "x")
    assert not searching(large)("y" * 30_000 + "x")
    assert MOST_STEPS // LARGEST_PROGRAM >= 5_000
    assert holds({"name": {"matches": r"^\pL+ \pL+$"}}, {"name": "Zoë Ångström"})
