"""Checks of the rules: errors, warnings, and channels, functions and secrets that nobody configures."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from whereupon.config import Config
from whereupon.doctor.findings import error, ok, warning
from whereupon.errors import ConfigInvalidError, Severity
from whereupon.ports import Finding
from whereupon.rules.loading import load_rules
from whereupon.rules.model import Rulebook, Send
from whereupon.rules.steps.run import Run
from whereupon.rules.steps.step_form import Step
from whereupon.rules.steps.webhook import Webhook
from whereupon.templates import secrets_in

_WEBHOOK = "webhook"


def check_rules(folder: Path, config: Config) -> Iterator[Finding]:
    """What lint would count, and the channels, functions and secrets that the rules name."""
    if not folder.is_dir():
        advice = "Set rules in the configuration, or --rules; whereupon init makes a first folder."
        yield error(f"There is no rules folder {str(folder)!r}.", advice)
        return
    book, diagnostics = load_rules(folder)
    errors = sum(each.severity is Severity.ERROR for each in diagnostics)
    command = f"Run whereupon lint {folder}"
    if errors:
        yield error(f"The rules have {errors} errors, and are not loaded.", f"{command}.")
    elif diagnostics:
        said = f"{len(book.rules)} rules can be loaded, with {len(diagnostics)} warnings."
        yield warning(said, f"{command} and decide about each.")
    else:
        yield ok(f"{len(book.rules)} rules can be loaded.")
    yield from _channels(book, config)
    yield from _functions(book, config)
    yield from _secrets(book, config)
    yield from _webhook_hosts(book)


def _channels(book: Rulebook, config: Config) -> Iterator[Finding]:
    users: dict[str, list[str]] = defaultdict(list)
    for rule in book.rules:
        for step in rule.route.every_step():
            if isinstance(step, Send | Webhook):
                users[step.channel if isinstance(step, Send) else _WEBHOOK].append(rule.id)
    for channel in sorted(users.keys() - config.settings.channels.keys()):
        rules = ", ".join(dict.fromkeys(users[channel]))
        said = f"No channel {channel!r} is configured; these rules send to it: {rules}."
        advice = (
            f"Add [channels.{channel}], or register it in Python; until then deliveries are held."
        )
        yield warning(said, advice)


def _functions(book: Rulebook, config: Config) -> Iterator[Finding]:
    users = _users(book, lambda step: [step.function] if isinstance(step, Run) else [])
    for name in sorted(users.keys() - config.settings.functions.keys()):
        said = f"No function {name!r} is configured; these rules run it: {users[name]}."
        advice = (
            f'Add {name} = "module:function" to [functions], or register it in Python; until then people '
            "wait at the step."
        )
        yield warning(said, advice)
    try:
        found = config.functions()
    except ConfigInvalidError as invalid:
        yield from _invalid(invalid)
        return
    if found:
        yield ok(f"Functions: {', '.join(f'{each.name} ({each.use})' for each in found)}.")


def _secrets(book: Rulebook, config: Config) -> Iterator[Finding]:
    asked = _users(book, lambda step: secrets_in(step.content) if isinstance(step, Webhook) else [])
    for name in sorted(asked.keys() - config.settings.secrets.keys()):
        said = f"There is no secret {name!r}; these rules ask for it: {asked[name]}."
        advice = f'Add {name} = {{env = "…"}} to [secrets], or give it in Python; until then the calls fail.'
        yield warning(said, advice)
    try:
        config.secrets()
    except ConfigInvalidError as invalid:
        yield from _invalid(invalid)


def _users(book: Rulebook, names_of: Callable[[Step], Iterable[str]]) -> dict[str, str]:
    """The rules that name something in a step, with commas between, by its name."""
    found: dict[str, list[str]] = defaultdict(list)
    for rule in book.rules:
        for step in rule.route.every_step():
            for name in names_of(step):
                found[name].append(rule.id)
    return {name: ", ".join(dict.fromkeys(rules)) for name, rules in found.items()}


def _invalid(found: ConfigInvalidError) -> Iterator[Finding]:
    for each in found.diagnostics:
        yield error(f"{each.location}: {each.message}.", "Correct it in the configuration.")


def _webhook_hosts(book: Rulebook) -> Iterator[Finding]:
    steps = [
        step for rule in book.rules for step in rule.route.every_step() if isinstance(step, Webhook)
    ]
    urls = [str(step.content.get("url", "")) for step in steps]
    plain = sorted({url for url in urls if urlsplit(url).scheme != "https"})
    hosts = sorted({host for url in urls if (host := _host(url))})
    if plain:
        said = f"{len(plain)} webhook steps have a URL that is not https."
        yield warning(
            said, "Use https; the channel refuses others unless it is told to allow them."
        )
    if hosts:
        yield ok(f"Webhook steps call {', '.join(hosts)}.")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
