"""``whereupon serve``: the site of an engine over HTTP, and its due work, until a signal ends it."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Annotated, TypeAlias, cast

import typer

from whereupon.cli.configured import KnownStore, config_of, fail_for, import_beside
from whereupon.cli.exit_status import exits_with_status, fail
from whereupon.cli.logs import (
    LogFormat,
    LogLevel,
    configure_logging,
    log_draining,
    log_started,
    log_stopped,
    log_stopping,
    log_supervising,
)
from whereupon.cli.open_files import allow_more_files
from whereupon.cli.options import RULES, RulesFolder, StoreUrl, duration
from whereupon.cli.rule_reload import RuleWatch
from whereupon.cli.run import MetricsPort, Reload, serve_metrics
from whereupon.cli.supervisor import Child, Supervisor
from whereupon.cli.until_signal import Happenings, handled_signals, wait_for_end
from whereupon.config import Config
from whereupon.config.server import ServerOptions
from whereupon.engine import Engine
from whereupon.errors import ConfigInvalidError
from whereupon.runtime.gc_pause import keep_loaded
from whereupon.web.door.scripts import Scripts
from whereupon.web.ready_callbacks import READY_CALLBACKS
from whereupon.web.site import Callback

if TYPE_CHECKING:
    from whereupon.web.serving import Server
    from whereupon.web.serving.traffic import Traffic

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


Processes: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="How many processes share the port; 1.")
]
ChildOf: TypeAlias = Annotated[
    Child | None, typer.Option("--child", hidden=True, parser=Child.from_text)
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
    processes: Processes = None,
    child: ChildOf = None,
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
        processes=processes,
        work=False if no_work else None,
    )
    import_beside(config)
    _check_scripts(config)
    _callbacks(config)
    if child is None and options.processes > 1:
        _supervise(config, store, rules, options)
        return
    _serve(config, store, rules, options, child, watch=reload)


def _supervise(config: Config, store: str, rules: Path, options: ServerOptions) -> None:
    """Check and migrate once, then run the processes."""
    if store.startswith("memory:") or store == "sqlite://" or ":memory:" in store:
        fail("a store in memory is that of one process; name a database, or take --processes out")
    _server_class()
    from whereupon.web.serving.sockets import listen  # noqa: PLC0415 - an extra

    _open(config, store, rules).close()
    happenings: Happenings = SimpleQueue()
    with (
        handled_signals(happenings),
        closing(listen(options.host, options.port)) as listening,
    ):
        log_supervising(options.processes, listening.getsockname()[1])
        patience = (options.drain + options.grace).total_seconds()
        if not Supervisor(options.processes, listening, happenings).run(patience):
            raise typer.Exit(1)


def _serve(
    config: Config,
    store: str,
    rules: Path,
    options: ServerOptions,
    child: Child | None,
    *,
    watch: bool,
) -> None:
    """Serve in this process."""
    happenings: Happenings = SimpleQueue()
    watched = RuleWatch(rules) if watch else None  # before the rules are read
    allow_more_files()
    engine = _open(config, store, rules)
    keep_loaded()
    with handled_signals(happenings):
        try:
            server = _server(engine, options, config, rules, child)
            with server:
                if options.metrics_port is not None:
                    place = options.metrics_port + (child.number if child else 0)
                    serve_metrics(engine, place, server.traffic)
                number = child.number if child else None
                log_started(engine, config, store, rules, port=server.port, worker=number)
                is_ending = child.watch_parent(happenings) if child else Event()
                if options.work:
                    engine.start()
                ending = wait_for_end(engine, happenings, rules, watched)
                is_ending.set()
                if ending == "stop":
                    server.drain()
                    log_draining(options.drain)
                    Event().wait(options.drain.total_seconds())
                log_stopping(options.grace)
        finally:
            engine.close(timeout=options.grace.total_seconds())
            log_stopped()


def _check_scripts(config: Config) -> None:
    """Whether the folders of the door's scripts hold them; before anything is opened."""
    try:
        Scripts(config.door)
    except (OSError, ValueError) as error:
        fail(str(error))


def _callbacks(config: Config) -> Mapping[str, Callback]:
    """What reads the reports of providers; if one cannot be made, the command ends."""
    try:
        made = config.callbacks(READY_CALLBACKS)
    except ConfigInvalidError as error:
        fail_for(error)
    return cast("Mapping[str, Callback]", made)


def _open(config: Config, store: str, rules: Path) -> Engine:
    named = str(store) if not isinstance(store, KnownStore) or store.is_given else None
    return config.open_engine(store=named, rules=rules)


def _options(config: Config, **given: object) -> ServerOptions:
    """The configured options, with those of the command over them."""
    base = config.settings.server or ServerOptions()
    try:
        return replace(base, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]  # by their names
    except ValueError as error:
        fail(str(error))


def _server(
    engine: Engine, options: ServerOptions, config: Config, rules: Path, child: Child | None
) -> "Server":
    made = _server_class()
    from whereupon.contrib.prometheus import text  # noqa: PLC0415 - an extra
    from whereupon.contrib.prometheus_traffic import traffic_collector  # noqa: PLC0415 - too

    def figures(traffic: "Traffic") -> bytes:
        return text(engine, more=[traffic_collector(traffic)])

    return made(
        engine,
        options,
        callbacks=_callbacks(config),
        door=config.door,
        management=True,
        rules=rules,
        figures=None if child else figures,  # one of several has not all of them
        listening=child.socket() if child else None,
    )


def _server_class() -> "type[Server]":
    try:
        from whereupon.web.serving import Server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        fail(f"whereupon serve needs {error.name}: pip install 'whereupon[serve]'")
    return Server
