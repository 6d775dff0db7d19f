"""The tables `[functions]` and `[secrets]`: what they register, what is wrong with them, what doctor says."""

from pathlib import Path

import pytest
from tests.scenarios.commands import whereupon

from whereupon import ConfigInvalidError, Engine, RulesInvalidError, open_config
from whereupon.config import read_config
from whereupon.rules.loading import open_rules

_MODULE = """\
def score_lead(delivery):
    return {"score": len(delivery.person)}

class Scorer:
    pass
"""
_RULES = """\
campaign: qualify
description: Score who buys.
when: purchase
reentry: once
whereupon:
  - run: score-lead
  - webhook: https://hooks.example.com/{{ secrets.HOOK }}
    headers: {X-Score: "{{ run.score-lead.score }}"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a rule, and a module that has a function."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "qualify.yaml").write_text(_RULES)
    (tmp_path / "shop_scoring.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def _config(folder: Path, text: str) -> Path:
    path = folder / "whereupon.toml"
    path.write_text(f'store = "memory://"\nrules = "rules"\n{text}')
    return path


_SOUND = """\
[functions]
score-lead = "shop_scoring:score_lead"
[secrets]
HOOK = {env = "SHOP_HOOK"}
"""


@pytest.mark.parametrize(
    "function",
    [
        '"shop_scoring:score_lead"',
        '{use = "shop_scoring:score_lead", timeout = "3s", concurrency = 2}',
    ],
)
def test_the_file_registers_functions_and_gives_secrets(folder: Path, function: str) -> None:
    """As `Engine.function` and `Engine.open` would; a table beside a function says how it is called."""
    path = _config(folder, _SOUND.replace('"shop_scoring:score_lead"', function))
    got: list[object] = []
    with open_config(path, environ={"SHOP_HOOK": "T0/B0"}) as engine:
        engine.channel("webhook")(lambda delivery: got.append(delivery.content))
        engine.track("purchase", user_id="ada")
        engine.run_due()
    url = "https://hooks.example.com/T0/B0"
    assert got == [{"url": url, "method": "POST", "headers": {"X-Score": "3"}}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('score-lead = "shop_scoring:score"', "unknown-function shop_scoring:score: "),
        ('score-lead = "no_such_module:score"', "unknown-function no_such_module:score: "),
        ('score-lead = "shop_scoring:Scorer"', "unknown-function shop_scoring:Scorer: score-lead is a function"),
        ('"score lead" = "shop_scoring:score_lead"', "unknown-function shop_scoring:score_lead: the name of"),
        ("score-lead = 5", "wrong-type say which function: "),
        ('score-lead = {use = "shop_scoring:score_lead", rate = "often"}', "wrong-value a rate is written"),
        ('score-lead = {use = "shop_scoring:score_lead", addres = "x"}', "unknown-key there is no key 'addres'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_function_is_said_with_its_place(
    folder: Path, text: str, said: str
) -> None:
    """Line and column, and what to write."""
    path = _config(folder, f"[functions]\n{text}\n")
    with pytest.raises(ConfigInvalidError) as raised:
        read_config(path, environ={}).functions()
    (fault,) = raised.value.diagnostics
    assert f"{fault.code} {fault.message}".startswith(said)
    assert fault.location.line == 4


def test_a_secret_that_is_not_there_is_said_by_its_variable(folder: Path) -> None:
    """And so is one that is no text."""
    path = _config(folder, _SOUND + "OTHER = [1]\n")
    with pytest.raises(ConfigInvalidError) as raised:
        read_config(path, environ={}).secrets()
    told = sorted(each.message for each in raised.value.diagnostics)
    assert told == [
        'a secret is a text: OTHER = {env = "NAME_OF_A_VARIABLE"}',
        "the environment variable SHOP_HOOK is not set",
    ]


def test_no_secret_is_shown_with_the_configuration(folder: Path) -> None:
    """Whatever its name is; one that stands in clear is named in a warning."""
    config = read_config(_config(folder, '[secrets]\nHOOK = "in-clear"\n'), environ={})
    assert "in-clear" not in repr(config)
    assert config.written_secrets == ("secrets.HOOK",)


def test_a_rule_that_asks_for_a_secret_that_the_host_lacks_is_not_loaded(folder: Path) -> None:
    """Where the names are known: to `Engine.open` and `reload` with a mapping, and to lint by the file beside it."""
    rules = folder / "rules"
    for secrets in ({}, {"HOK": "x"}):
        with pytest.raises(RulesInvalidError, match="the host has no secret 'HOOK'"):
            Engine.open("memory://", rules=rules, secrets=secrets)
    with Engine.open("memory://", secrets={"HOK": "x"}) as engine:
        with pytest.raises(RulesInvalidError, match="did you mean 'HOK'"):
            engine.reload(rules)
        assert engine.pipeline.index.book.rules == ()
    with Engine.open("memory://", rules=rules, secrets={"HOOK": "x"}.get):
        assert open_rules(rules).rules
    _config(folder, '[secrets]\nHOK = "x"\n')
    done = whereupon("lint", folder=folder)
    assert (done.status, "unknown-secret" in done.stdout) == (1, True)


def test_doctor_names_functions_and_secrets_that_nobody_configures(folder: Path) -> None:
    """With the rules that need them, and what to add."""
    _config(folder, "")
    told = " ".join(whereupon("doctor", "--offline", folder=folder).stdout.split())
    assert "No function 'score-lead' is configured; these rules run it: qualify." in told
    assert "There is no secret 'HOOK'; these rules ask for it: qualify." in told
    _config(folder, _SOUND)
    told = " ".join(whereupon("doctor", "--offline", folder=folder).stdout.split())
    assert "Functions: score-lead (shop_scoring:score_lead)." in told
    assert "the environment variable SHOP_HOOK is not set" in told
