"""Checks of the rules: errors, warnings, and channels that nobody configures."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from whereupon.config import Config
from whereupon.doctor.findings import error, ok, warning
from whereupon.errors import Severity
from whereupon.ports import Finding
from whereupon.rules.loading import load_rules
from whereupon.rules.model import Rulebook, Send
from whereupon.rules.steps.webhook import Webhook

_WEBHOOK = "webhook"


def check_rules(folder: Path, config: Config) -> Iterator[Finding]:
    """What lint would count, and the channels that the rules name."""
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
