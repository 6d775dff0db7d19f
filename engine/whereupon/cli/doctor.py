"""``whereupon doctor``: whether an engine could run here, and what to do where it could not."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.configured import config_of, import_beside
from whereupon.cli.exit_status import FINDINGS, exits_with_status
from whereupon.cli.options import AsJson
from whereupon.cli.printing import print_objects
from whereupon.config import Config
from whereupon.doctor import Examined, examine
from whereupon.errors import ConfigInvalidError
from whereupon.ports import Finding, FindingLevel
from whereupon.render.formatting import clean, counted
from whereupon.scheduling import SystemClock

_MARKS = {FindingLevel.OK: "ok", FindingLevel.WARNING: "warning", FindingLevel.ERROR: "ERROR"}


@exits_with_status
def doctor_command(
    ctx: typer.Context,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="The store; by default the configuration's.")
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The rules folder; by default the configuration's."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no service but the store, such as mail servers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the configuration, keys, store, rules and channels, and say what to do.

    Nothing is changed and nothing is sent. The exit status is 1 if there is an error; warnings alone give 0.
    """
    config = config_of(ctx)
    import_beside(config)
    levels: Counter[FindingLevel] = Counter()
    for each in _findings(config, store, rules or config.rules, offline=offline):
        levels[each.finding.level] += 1
        _print(each, as_json=as_json)
    errors, warnings = levels[FindingLevel.ERROR], levels[FindingLevel.WARNING]
    if as_json:
        print_objects({"kind": "summary", "errors": errors, "warnings": warnings})
    else:
        sys.stdout.write(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}\n")
    if errors:
        raise typer.Exit(FINDINGS)


def _findings(config: Config, store: str | None, rules: Path, *, offline: bool) -> list[Examined]:
    first: list[Examined] = []
    try:
        store = store or config.store
    except ConfigInvalidError as error:
        said, advice = f"{error.diagnostics[0].message}.", "Set it, or name the store otherwise."
        first.append(Examined("store", Finding(FindingLevel.ERROR, said, advice)))
    found = examine(config, store=store, rules=rules, now=SystemClock().now, offline=offline)
    return [*first, *found]


def _print(each: Examined, *, as_json: bool) -> None:
    level, said, advice = each.finding
    if as_json:
        facts = {"area": each.area, "level": str(level), "said": said, "advice": advice}
        print_objects({"kind": "finding", **facts})
        return
    sys.stdout.write(f"{_MARKS[level]:8}{each.area}: {clean(said)}\n")
    if advice:
        sys.stdout.write(f"        → {clean(advice)}\n")
