"""The tables of keys and steps: each row is whole, and says where an error in its form is."""

from dataclasses import fields

import pytest
from pydantic import JsonValue, ValidationError

from whereupon.rules.files import FILES
from whereupon.rules.form import Form, IfMissing
from whereupon.rules.form_errors import diagnostic_from, form_errors
from whereupon.rules.keys import BROADCAST_KEYS, CAMPAIGN_KEYS
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.schedule import CronForm
from whereupon.rules.model import Rule
from whereupon.rules.steps import STEPS
from whereupon.rules.steps.send import SendForm

_ROWS = [*CAMPAIGN_KEYS, *BROADCAST_KEYS]


@pytest.mark.parametrize("key", _ROWS, ids=[key.name for key in _ROWS])
def test_each_key_fills_an_attribute_of_the_rule(key: Key) -> None:
    """A row names an attribute that `Rule` has, and a key that the forms have."""
    assert key.attribute in {field.name for field in fields(Rule)}
    kinds = [kind for kind in ("campaign", "broadcast") if key.name in FILES[kind].model_fields]
    assert kinds


@pytest.mark.parametrize("kind", ["campaign", "broadcast"])
def test_each_required_key_says_what_to_write_when_it_is_missing(kind: str) -> None:
    """The id alone needs no sentence, since its key says what kind of file it is."""
    for name, field in FILES[kind].model_fields.items():
        if field.is_required() and name != kind:
            assert any(isinstance(each, IfMissing) for each in field.metadata), name


@pytest.mark.parametrize("form", STEPS.values(), ids=STEPS)
def test_each_step_has_a_key_and_words(form: type[Form]) -> None:
    """The step's own key is a key of its form, described and with an example, unless it is a word alone."""
    step = STEPS[next(key for key, each in STEPS.items() if each is form)]
    assert step.__doc__
    if not step.is_word:
        field = step.model_fields[step.step.key]
        assert field.description
        assert field.examples


@pytest.mark.parametrize(
    ("change", "path", "form"),
    [
        ({"when": {"cron": 5}}, ("when", "cron"), CronForm),
        ({"when": {"cron": "0 9 * * *", "tz": "UTC"}}, ("when", "tz"), CronForm),
        ({"whereupon": [{"wait": "1h"}, {"send": ""}]}, ("whereupon", 1, "send"), SendForm),
        ({"whereupon": [{"send": "push", "kind": 1}]}, ("whereupon", 0, "kind"), SendForm),
        ({"[key]": 1}, ("[key]",), FILES["broadcast"]),
        ({"<cron>": 1}, ("<cron>",), FILES["broadcast"]),
        ({"active": {"from": "soon"}}, ("active", "from"), None),
        ({"exit": [{"event": 5}]}, ("exit", 0, "event"), None),
    ],
)
def test_an_error_has_the_path_and_the_form_of_its_key(
    change: dict[str, JsonValue], path: tuple[str | int, ...], form: type[Form] | None
) -> None:
    """Neither pydantic's tags nor its mark of a wrong key are a part of the path."""
    data: dict[str, JsonValue] = {"broadcast": "x", "when": "api", "whereupon": ["exit"], **change}
    with pytest.raises(ValidationError) as caught:
        FILES["broadcast"].model_validate(data)
    (error,) = form_errors(caught.value, FILES["broadcast"])
    assert error.path == path
    assert form is None or error.form is form
    assert diagnostic_from(error).path[: len(path)] == path
