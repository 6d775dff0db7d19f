"""``whereupon serve``: the site of an engine over HTTP, and its due work, until a signal ends it."""

from dataclasses import replace
from datetime import timedelta
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from whereupon.cli.configured import KnownStore, config_of, import_beside
from whereupon.cli.exit_status import exits_with_status, fail
from whereupon.cli.logs import (
    LogFormat,
    LogLevel,
    configure_logging,
    log_draining,
    log_started,
    log_stopped,
    log_stopping,
)
from whereupon.cli.open_files import allow_more_files
from whereupon.cli.options import RULES, RulesFolder, StoreUrl, duration
from whereupon.cli.rule_reload import RuleWatch
from whereupon.cli.run import MetricsPort, Reload, serve_metrics
from whereupon.cli.until_signal import Happenings, handled_signals, wait_for_end
from whereupon.config import Config
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


ProxyHeaders: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--proxy-headers/--no-proxy-headers",
        help="Believe X-Forwarded-For and X-Forwarded-Proto of trusted proxies; off.",
    ),
]
AllowIps: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--forwarded-allow-ips",
        metavar="ADDRESSES",
        help="The trusted proxies, with commas between; 127.0.0.1,::1.",
    ),
]
RootPath: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Where a proxy mounts the server, if it takes that away."),
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
    proxy_headers: ProxyHeaders = None,
    forwarded_allow_ips: AllowIps = None,
    root_path: RootPath = None,
    reload: Reload = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    metrics_port: MetricsPort = None,
) -> None:
    """Serve messages, pages and callbacks over HTTP until SIGTERM or SIGINT, and do due work. Logs go to standard error.

    At a signal, requests are still taken for a while (not at Ctrl-C), those under way end, and the status is 0. A
    second signal ends the process at once. What an option leaves out is in the table [server] of whereupon.toml.
    """
    configure_logging(log_format, log_level)
    config = config_of(ctx)
    options = _options(
        config,
        host=host,
        port=port,
        threads=threads,
        drain=drain,
        grace=grace,
        proxy_headers=proxy_headers,
        forwarded_allow_ips=forwarded_allow_ips,
        root_path=root_path,
        metrics_port=metrics_port,
        work=False if no_work else None,
    )
    named = str(store) if not isinstance(store, KnownStore) or store.is_given else None
    happenings: Happenings = SimpleQueue()
    import_beside(config)
    watch = RuleWatch(rules) if reload else None  # before the rules are read
    allow_more_files()
    engine = config.open_engine(store=named, rules=rules)
    with handled_signals(happenings):
        try:
            if options.metrics_port is not None:
                serve_metrics(engine, options.metrics_port)
            with _server(engine, options) as server:
                log_started(engine, config, str(store), rules, port=server.port)
                if options.work:
                    engine.start()
                if wait_for_end(engine, happenings, rules, watch) == "stop":
                    server.drain()
                    log_draining(options.drain)
                    Event().wait(options.drain.total_seconds())
                log_stopping(options.grace)
        finally:
            engine.close(timeout=options.grace.total_seconds())
            log_stopped()


def _options(config: Config, **given: object) -> ServerOptions:
    """The configured options, with those of the command over them."""
    base = config.settings.server or ServerOptions()
    try:
        return replace(base, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]  # by their names
    except ValueError as error:
        fail(str(error))


def _server(engine: Engine, options: ServerOptions) -> "Server":
    try:
        from whereupon.web.serving import Server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        fail("whereupon serve needs a server: pip install 'whereupon[serve]'")
    return Server(engine, options)
