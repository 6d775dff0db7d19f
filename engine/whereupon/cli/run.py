"""``whereupon run``: due work as a process of its own, until a signal ends it."""

from datetime import timedelta
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from whereupon.api.config import Ran
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
from whereupon.cli.printing import print_lines
from whereupon.cli.rule_reload import RuleWatch
from whereupon.cli.until_signal import (
    Happenings,
    handled_signals,
    next_happening,
    wait_for_end,
)
from whereupon.engine import Engine
from whereupon.render.formatting import counted
from whereupon.runtime.gc_pause import keep_loaded

if TYPE_CHECKING:
    from whereupon.web.serving.traffic import Traffic

Grace: TypeAlias = Annotated[
    timedelta,
    typer.Option(
        metavar="DURATION",
        parser=duration,
        help="How long calls under way may take to end after a signal.",
    ),
]
Once: TypeAlias = Annotated[
    bool, typer.Option("--once", help="Do what is due now, print counts, and exit.")
]
Reload: TypeAlias = Annotated[
    bool,
    typer.Option("--reload", help="Read the rules again when a file changes; SIGHUP does it, too."),
]
MetricsPort: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Serve Prometheus metrics on this port of 127.0.0.1."),
]


@exits_with_status
def run_command(  # noqa: PLR0913, PLR0917 - one for each option
    ctx: typer.Context,
    store: StoreUrl,
    rules: RulesFolder = RULES,
    once: Once = False,
    grace: Grace = "30s",  # type: ignore[assignment]  # typer parses it
    reload: Reload = False,
    log_format: LogFormat = "text",
    log_level: LogLevel = "info",
    metrics_port: MetricsPort = None,
) -> None:
    """Do due work until SIGTERM or SIGINT: waits, broadcasts, deliveries. Logs go to standard error.

    At a signal, calls under way end within the grace, the rest is put back, and the status is 0. A second
    signal ends the process at once.
    """
    configure_logging(log_format, log_level)
    config = config_of(ctx)
    named = str(store) if not isinstance(store, KnownStore) or store.is_given else None
    happenings: Happenings = SimpleQueue()
    import_beside(config)
    watch = (
        RuleWatch(rules) if reload else None
    )  # before the rules are read, so that no change is missed
    engine = config.open_engine(store=named, rules=rules)
    keep_loaded()
    ran: Ran | None = None
    with handled_signals(happenings):
        try:
            if metrics_port is not None:
                serve_metrics(engine, metrics_port)
            log_started(engine, config, str(store), rules, once=once)
            if once:
                ran = _run_once(engine, happenings)
            else:
                engine.start()
                wait_for_end(engine, happenings, rules, watch)
        finally:
            log_stopping(grace)
            engine.close(timeout=grace.total_seconds())
            log_stopped()
    if ran is not None:
        print_lines(_counts(ran))


def _run_once(engine: Engine, happenings: Happenings) -> Ran | None:
    """Do what is due in a thread, so that a signal can end it meanwhile."""

    def work() -> None:
        try:
            happenings.put(engine.run_due())
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            happenings.put(error)

    Thread(target=work, name="whereupon-once", daemon=True).start()
    happening = next_happening(happenings, None)
    while happening == "reload":
        happening = next_happening(happenings, None)
    if isinstance(happening, BaseException):
        raise happening
    return happening if isinstance(happening, Ran) else None


def serve_metrics(engine: Engine, port: int, traffic: "Traffic | None" = None) -> None:
    """Serve the metrics of an engine, and of a server, on a port of their own; else the command ends."""
    try:
        from whereupon.contrib.prometheus import serve  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        fail("--metrics-port needs prometheus-client: pip install 'whereupon[prometheus]'")
    more = []
    if traffic is not None:
        from whereupon.contrib.prometheus_traffic import traffic_collector  # noqa: PLC0415 - too

        more.append(traffic_collector(traffic))
    try:
        serve(engine, port, more=more)
    except OSError as error:
        fail(f"the port {port} for metrics cannot be opened: {error.strerror}")


def _counts(ran: Ran) -> list[str]:
    done = ran.dispatched
    deliveries = (
        f"{done.sent} sent, {done.retried} to be tried again, {done.dead} dead, "
        f"{done.withheld} withheld"
    )
    decisions = counted(len(ran.decisions), "decision")
    return [f"{decisions}, {counted(len(ran.requests), 'request')}; deliveries: {deliveries}"]
