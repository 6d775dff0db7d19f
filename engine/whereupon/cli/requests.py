"""``whereupon requests``: requests for actions, shown and decided.

``--by`` names the decider. The guard files say who may decide.
"""

from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import exits_with_status, print_to_stderr
from whereupon.cli.options import (
    RULES,
    AsJson,
    By,
    MostResults,
    RequestNumber,
    RulesFolder,
    StoreUrl,
)
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import keyed_engine
from whereupon.engine import Engine
from whereupon.records import Request, RequestOutcome
from whereupon.render.audit import audit_line
from whereupon.render.requests import (
    approval_line,
    breaker_line,
    breaker_object,
    request_line,
    request_record,
)

app = typer.Typer(no_args_is_help=True)

Outcomes: TypeAlias = Annotated[
    list[RequestOutcome] | None,
    typer.Option(help="Only requests in this state; repeat it for more. By default the open ones."),
]
Everything: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Also the requests that have ended.")
]


@app.callback()
def requests_commands() -> None:
    """Show and decide requests for actions."""


@app.command("list")
@exits_with_status
def requests_list(
    store: StoreUrl,
    outcome: Outcomes = None,
    everything: Everything = False,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
    limit: MostResults = 100,
) -> None:
    """List requests, newest first, and every open breaker."""
    waiting = [each for each in RequestOutcome if each.is_open or each is RequestOutcome.FAILED]
    wanted = tuple(outcome or (RequestOutcome if everything else waiting))
    with keyed_engine(store, rules) as engine:
        requests = engine.requests.list(*wanted, limit=limit)
        breakers = [each for each in engine.requests.breakers() if each.is_open]
    if as_json:
        print_objects(*map(breaker_object, breakers), *map(request_record, requests))
        return
    print_lines(map(breaker_line, breakers))
    print_lines(map(request_line, requests) if requests else ["There are no such requests."])


@app.command("show")
@exits_with_status
def requests_show(
    request: RequestNumber, store: StoreUrl, rules: RulesFolder = RULES, as_json: AsJson = False
) -> None:
    """Show one request: its plan, its approvals, and its history."""
    with keyed_engine(store, rules) as engine:
        found, approvals = engine.requests.show(request), engine.requests.approvals(request)
        history = engine.audit.rows_of(request)
    if as_json:
        print_objects(request_record(found, approvals))
        return
    _print_with_plan(found)
    print_lines(f"  {line}" for line in map(approval_line, approvals))
    print_lines(f"  {line}" for line in map(audit_line, history))


@app.command("approve")
@exits_with_status
def requests_approve(
    request: RequestNumber,
    store: StoreUrl,
    by: By,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST", help="The plan that you approve; by default the stored one."
        ),
    ] = None,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Approve a held request. It runs as soon as every guard agrees."""
    with keyed_engine(store, rules) as engine:
        decided = engine.requests.approve(request, by=by, plan=plan)
        print_outcome(engine, decided, as_json=as_json)


@app.command("cancel")
@exits_with_status
def requests_cancel(
    request: RequestNumber,
    store: StoreUrl,
    by: By,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Cancel a held request for ever."""
    with keyed_engine(store, rules) as engine:
        print_outcome(engine, engine.requests.cancel(request, by=by), as_json=as_json)


@app.command("retry")
@exits_with_status
def requests_retry(
    request: RequestNumber,
    store: StoreUrl,
    by: By,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Let the host's handler be called again for a failed request."""
    with keyed_engine(store, rules) as engine:
        print_outcome(engine, engine.requests.retry(request, by=by), as_json=as_json)


@app.command("close-breaker")
@exits_with_status
def requests_close_breaker(
    guard: Annotated[str, typer.Argument(help="The guard file's id.")],
    store: StoreUrl,
    by: By,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Close a guard's breaker. The requests that it held are judged again, and its count begins at 0."""
    with keyed_engine(store, rules) as engine:
        held = engine.requests.close(guard, by=by)
        results = engine.wake(engine.clock.now())
        records = [record for result in results for record in result.emitted]
        judged = [record for record in records if isinstance(record, Request)]
        engine.scrub()
    if as_json:
        print_objects(*map(request_record, judged))
        return
    print_lines([f"The breaker of {guard} is closed; {held} requests were judged again."])
    print_lines(map(request_line, judged))


def print_outcome(engine: Engine, request: Request, *, as_json: bool) -> None:
    """Print a request after a decision, and scrub the database if the request has run."""
    print_request(request, as_json=as_json)
    if request.outcome is RequestOutcome.RAN and not engine.scrub():
        print_to_stderr(
            "whereupon: the store is being read, so it was not scrubbed; run whereupon scrub later"
        )


def print_request(request: Request, *, as_json: bool, dry_run: bool = False) -> None:
    """Print a request and its plan."""
    if as_json:
        print_objects(request_record(request))
    else:
        _print_with_plan(request, dry_run=dry_run)


def _print_with_plan(request: Request, *, dry_run: bool = False) -> None:
    print_lines([request_line(request)])
    if request.plan is not None:
        counts = ", ".join(f"{n} {name}" for name, n in request.plan.counts.items()) or "nothing"
        gone = "went" if request.outcome is RequestOutcome.RAN and not dry_run else "would go"
        print_lines([f"  plan {request.plan.digest}: {counts} {gone}"])
