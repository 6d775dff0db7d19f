"""What commands take from ``whereupon.toml`` and the environment where an option leaves it out."""

from pathlib import Path

import pytest
from tests.scenarios.commands import whereupon, whereupon_process

from whereupon import Engine

RULE = """\
campaign: hello
description: Say hello.
when: hello
reentry: every_time
whereupon: [{send: push, title: Hello}]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a configuration; its store has one delivery, which is held."""
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "hello.yaml").write_text(RULE)
    (tmp_path / "whereupon.toml").write_text('store = "sqlite:///shop.db"\nrules = "campaigns"\n')
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=tmp_path / "campaigns") as engine:
        engine.track("hello", user_id="ada")
        engine.run_due()
    return tmp_path


def test_a_command_takes_its_store_and_rules_from_the_file_and_says_so(shop: Path) -> None:
    """On standard error, so that its output stays what it was."""
    done = whereupon("explain", "ada", "hello", folder=shop)
    assert done.stdout.startswith("ada entered hello")
    assert done.stderr == "whereupon: the store is sqlite:///shop.db (whereupon.toml)\n"
    assert whereupon("lint", folder=shop).stderr.startswith("campaigns: 0 errors")


def test_an_option_comes_before_the_environment_and_that_before_the_file(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everywhere on a command line."""
    monkeypatch.setenv("WHEREUPON_STORE", "sqlite:///nowhere.db")
    assert "there is no file nowhere.db" in whereupon("deliveries", folder=shop).stderr
    done = whereupon("deliveries", "--store", "sqlite:///shop.db", folder=shop)
    assert "push to ada" in done.stdout


def test_the_file_is_that_of_the_option_or_of_the_variable(
    shop: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is run."""
    elsewhere, config = tmp_path_factory.mktemp("elsewhere"), shop / "whereupon.toml"
    done = whereupon("deliveries", "--config", config, folder=elsewhere)
    assert "push to ada" in done.stdout
    monkeypatch.setenv("WHEREUPON_CONFIG", str(config))
    assert "push to ada" in whereupon("deliveries", folder=elsewhere).stdout


def test_groups_of_commands_take_the_configuration_too(shop: Path) -> None:
    """Such as those of requests and of the audit log."""
    done = whereupon("audit", "verify", "--config", shop / "whereupon.toml", "--json")
    assert done.status == 0


def test_without_any_store_a_command_says_where_to_name_one(tmp_path: Path) -> None:
    """Nothing is made up: a wrong guess would be an empty database."""
    done = whereupon("deliveries", folder=tmp_path)
    assert done.status == 2
    assert "name a store: --store URL, WHEREUPON_STORE, or store =" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_faulty_configuration_ends_a_command_with_all_that_is_wrong(shop: Path) -> None:
    """With the status of wrong usage."""
    (shop / "whereupon.toml").write_text('stor = "x"\npoll = 3.5x\n')
    done = whereupon("deliveries", folder=shop)
    assert (done.status, "whereupon.toml:2:" in done.stderr) == (2, True)
    (shop / "whereupon.toml").write_text('stor = "x"\nschema = 3\n')
    done = whereupon("deliveries", folder=shop)
    assert "did you mean 'store'?" in done.stderr
    assert "whereupon.toml:2:1: wrong-type this must be a text" in done.stderr


def test_what_init_writes_runs_at_once(tmp_path: Path) -> None:
    """The rules, the store and the console channel of the file fit together."""
    assert whereupon("init", folder=tmp_path).status == 0
    done = whereupon_process("run", "--once", "--config", tmp_path / "whereupon.toml")
    assert (done.status, "0 dead" in done.stdout) == (0, True), done.stderr
    assert (tmp_path / "whereupon.db").exists()
    assert whereupon("doctor", folder=tmp_path).status == 0


def test_init_overwrites_no_configuration(shop: Path) -> None:
    """It says which line to write instead."""
    done = whereupon("init", "more", folder=shop)
    assert 'kept whereupon.toml; name the folder in it: rules = "more"' in done.stdout
    assert "campaigns" in (shop / "whereupon.toml").read_text()
