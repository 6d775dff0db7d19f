"""``whereupon serve``: the site of an engine over HTTP, and its due work, until a signal ends it."""

from dataclasses import replace
from datetime import timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from whereupon.cli.configured import KnownStore, config_of, import_beside
from whereupon.cli.exit_status import exits_with_status, fail
from whereupon.cli.logs import (
    LogFormat,
    LogLevel,
    configure_logging,
    log_started,
    log_stopped,
    log_stopping,
)
from whereupon.cli.options import RULES, RulesFolder, StoreUrl, duration
from whereupon.cli.rule_reload import RuleWatch
from whereupon.cli.run import MetricsPort, Reload, serve_metrics
from whereupon.cli.until_signal import Happenings, handled_signals, wait_for_stop
from whereupon.config.server import ServerOptions
from whereupon.engine import Engine

if TYPE_CHECKING:
    from whereupon.web.serving import Server

Host: TypeAlias = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="The address to listen on; 127.0.0.1.")
]
Port: TypeAlias = Annotated[
    int | None, typer.Option(min=0, max=65535, help="The port; 8080. 0 takes any that is free.")
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="How many requests for messages are worked on at once; 8.")
]
NoWork: TypeAlias = Annotated[
    bool, typer.Option("--no-work", help="Leave due work to other processes (whereupon run).")
]
Drain: TypeAlias = Annotated[
    timedelta | None,
    typer.Option(
        metavar="DURATION",
        parser=duration,
        help="How long requests are still taken after a signal; 5s.",
    ),
]
Grace: TypeAlias = Annotated[
    timedelta | None,
    typer.Option(
        metavar="DURATION",
        parser=duration,
        help="How long requests and calls under way may take to end; 30s.",
    ),
]


@exits_with_status
def serve_command(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: typer.Context,
    store: StoreUrl,
    rules: RulesFolder = RULES,
    host: Host = None,
    port: Port = None,
    threads: Threads = None,
    no_work: NoWork = False,
    drain: Drain = None,
    grace: Grace = None,
    reload: Reload = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    metrics_port: MetricsPort = None,
) -> None:
    """Serve messages, pages and callbacks over HTTP until SIGTERM or SIGINT, and do due work. Logs go to standard error.

    At a signal, requests are still taken for a while, those under way end, and the status is 0. A second signal ends
    the process at once.
    """
    configure_logging(log_format, log_level)
    config = config_of(ctx)
    given = {"host": host, "port": port, "threads": threads, "drain": drain, "grace": grace}
    options = replace(ServerOptions(), **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]  # by their names
    named = str(store) if not isinstance(store, KnownStore) or store.is_given else None
    happenings: Happenings = SimpleQueue()
    import_beside(config)
    watch = RuleWatch(rules) if reload else None  # before the rules are read
    engine = config.open_engine(store=named, rules=rules)
    with handled_signals(happenings):
        try:
            if metrics_port is not None:
                serve_metrics(engine, metrics_port)
            with _server(engine, options) as server:
                log_started(engine, config, str(store), rules, once=False, port=server.port)
                if not no_work:
                    engine.start()
                wait_for_stop(engine, happenings, rules, watch)
                log_stopping(options.grace)
        finally:
            engine.close(timeout=options.grace.total_seconds())
            log_stopped()


def _server(engine: Engine, options: ServerOptions) -> "Server":
    try:
        from whereupon.web.serving import Server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        fail("whereupon serve needs a server: pip install 'whereupon[serve]'")
    return Server(engine, options)
