"""The log of a process that the command line runs: to standard error, as text or JSON Lines."""

import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from whereupon.config import Config
from whereupon.engine import Engine
from whereupon.messages.times import format_duration
from whereupon.rules.model import Send
from whereupon.rules.steps.webhook import Webhook
from whereupon.runtime.log_lines import JsonLines, log_event
from whereupon.storage.addresses import shown_address

LogFormat: TypeAlias = Annotated[
    Literal["text", "json"], typer.Option(help="How to write log records.")
]
LogLevel: TypeAlias = Annotated[
    Literal["debug", "info", "warning", "error"], typer.Option(help="The least level to log.")
]

_LOG = logging.getLogger("whereupon.run")


def configure_logging(form: str, level: str) -> None:
    """Log our records from a level on, and warnings of other packages."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("whereupon").setLevel(level.upper())


def log_started(
    engine: Engine,
    config: Config,
    store: str,
    rules: Path,
    *,
    once: bool = False,
    port: int | None = None,
    worker: int | None = None,
) -> None:
    """Say in one line what the process does, and in others what it leaves to others."""
    book = engine.pipeline.index.book
    channels = set(config.settings.channels)
    log_event(
        _LOG,
        logging.INFO,
        "started",
        store=shown_address(store),
        rules=str(rules),
        campaigns_and_broadcasts=len(book.rules),
        channels=",".join(sorted(channels)) or "none",
        config=config.source,
        mode="once" if once else "until-signal",
        port=port,
        worker=worker,
    )
    steps = [step for rule in book.rules for step in rule.route.every_step()]
    named = {step.channel for step in steps if isinstance(step, Send)}
    named |= {"webhook" for step in steps if isinstance(step, Webhook)}
    fallback = config.settings.unknown_channels == "console"
    for channel in sorted(named - channels) if not fallback else ():
        log_event(_LOG, logging.WARNING, "channel-missing", channel=channel)


def log_supervising(processes: int, port: int) -> None:
    """Say that this process begins others, which do the work."""
    log_event(_LOG, logging.INFO, "supervising", processes=processes, port=port)


def log_draining(length: timedelta) -> None:
    """Say that requests are still taken, and that a balancer should send no more."""
    log_event(_LOG, logging.INFO, "draining", length=format_duration(length))


def log_stopping(grace: timedelta) -> None:
    """Say that calls under way may end, and no other begins."""
    log_event(_LOG, logging.INFO, "stopping", grace=format_duration(grace))


def log_stopped() -> None:
    """Say that the process has ended its work."""
    log_event(_LOG, logging.INFO, "stopped")


class _Text(logging.Formatter):
    """``2026-11-29T08:00:00.000Z INFO whereupon.run started store=…``."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = (
            f"{time.replace('+00:00', 'Z')} {record.levelname} {record.name} {record.getMessage()}"
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
