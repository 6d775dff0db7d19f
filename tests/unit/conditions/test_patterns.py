"""Which regular expressions a rule may have."""

import pytest

from whereupon.conditions.patterns import pattern_fault


@pytest.mark.parametrize(
    "pattern",
    [
        *("^[a-z0-9._+-]+@example\\.com$", "(foo|bar)", "(foo|bar)?", "a{2,3}b*", "(abc)+", "x|y"),
        *(
            "[(+*]+",
            "\\(a+\\)+",
            "(?:ab){2}",
            "(?i)socks",
            "(?P<sku>[A-Z]+)-[0-9]+",
            "[]*]+",
            "{}",
            "\\d+[.]\\d+",
            ".*[0-9]+$",
        ),
    ],
)
def test_an_ordinary_pattern_is_accepted(pattern: str) -> None:
    """Repetitions of single characters and of fixed groups cost little."""
    assert pattern_fault(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(a+)+",
            "(a*)*b",
            "(?:a|a)*",
            "([a-z]+)*$",
            "((a+))+",
            "(a?){30}",
            "(x+x+)+y",
            "(a|b){9,}",
        ),
        *("(.*,){11}P", "(?:\\w+\\s?)*$", "((ab)+|c)+", "a*a*b", ".*x.*y.*z"),
    ],
)
def test_a_repetition_of_what_repeats_is_refused(pattern: str) -> None:
    """Such a search can take longer than anybody waits, for a text that a stranger sends."""
    assert "for ever" in (pattern_fault(pattern) or "")


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<a", "a{99999999999}", "x" * 251])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """With the reason that Python gives."""
    assert pattern_fault(pattern)
