"""``whereupon prune`` and ``migrate``: a store's upkeep."""

import sys
from contextlib import closing
from typing import Annotated

import typer

from whereupon.cli.exit_status import settles
from whereupon.cli.options import RULES, AsJson, RulesFolder, StoreUrl
from whereupon.cli.questions import existing_store
from whereupon.matching import RuleIndex
from whereupon.operations.pruner import Pruned, Pruner
from whereupon.render.records import JsonLines
from whereupon.rules.loading import open_rules
from whereupon.scheduling import SystemClock

_NAMED = {
    "skips": "skips",
    "deliveries": "deliveries",
    "entries": "entries",
    "set_aside": "messages that were set aside",
}


@settles
def prune_command(
    store: StoreUrl,
    rules: RulesFolder = RULES,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let go of what is done with and older than the rules' settings have it kept (`keep`)."""
    book = open_rules(rules)
    index = RuleIndex(book)
    with closing(existing_store(store)) as kept:
        pruning = Pruner(kept, lambda: book.settings.keep, lambda: index, SystemClock())
        pruned = pruning.prune(dry_run=dry_run)
    if as_json:
        record = {"kind": "pruned", "dry_run": dry_run, **pruned.gone, "emptied": pruned.emptied}
        JsonLines(sys.stdout.buffer).write(record)
        return
    sys.stdout.writelines(f"{line}\n" for line in _lines(pruned, dry_run=dry_run))


@settles
def migrate_command(
    store: StoreUrl,
    sql: Annotated[
        bool, typer.Option("--sql", help="Only print what would be run, for somebody else to run.")
    ] = False,
) -> None:
    """Make a store's tables, or bring them up to date, under a role that may."""
    from whereupon.storage.upkeep import migrate, sql_of_migrating  # noqa: PLC0415 - not for `prune`

    if sql:
        sys.stdout.write(sql_of_migrating(store))
        return
    done = migrate(store)
    if done.before == done.after:
        sys.stdout.write(f"The tables are of version {done.after} already.\n")
    elif done.before is None:
        sys.stdout.write(f"The tables are made, of version {done.after}.\n")
    else:
        sys.stdout.write(f"The tables are of version {done.after} now; they were {done.before}.\n")


def _lines(pruned: Pruned, *, dry_run: bool) -> list[str]:
    done, emptied = ("would go", "would stay") if dry_run else ("are gone", "stay")
    counted = [f"{count:,} {_NAMED[kind]} {done}." for kind, count in pruned.gone.items()]
    if pruned.emptied:
        counted.append(
            f"{pruned.emptied:,} entries {emptied} without what their messages said: they keep "
            "their persons from being let in again."
        )
    return counted
