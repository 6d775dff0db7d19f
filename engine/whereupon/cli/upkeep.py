"""``whereupon prune`` and ``migrate``: the maintenance of a store."""

import sys
from contextlib import closing
from typing import Annotated

import typer

from whereupon.cli.exit_status import exits_with_status
from whereupon.cli.options import RULES, AsJson, RulesFolder, StoreUrl
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store
from whereupon.matching import RuleIndex
from whereupon.operations.pruner import Pruned, Pruner
from whereupon.rules.loading import open_rules
from whereupon.scheduling import SystemClock

_NOUNS = {
    "skips": "skips",
    "deliveries": "deliveries",
    "entries": "entries",
    "set_aside": "messages that were set aside",
    "inbox": "inbox items",
    "answers": "answers of the management API",
    "runs": "runs of broadcasts to named people",
    "open_skips": "skips that stay open",
    "time_skips": "skips that time led to",
}


@exits_with_status
def prune_command(
    store: StoreUrl,
    rules: RulesFolder = RULES,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be removed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove finished rows that are older than the settings of the rules allow (keep)."""
    book = open_rules(rules)
    index = RuleIndex(book)
    with closing(existing_store(store)) as event_store:
        pruner = Pruner(event_store, lambda: book.settings.keep, lambda: index, SystemClock())
        pruned = pruner.prune(dry_run=dry_run)
    if as_json:
        counts = {**pruned.gone, "emptied": pruned.emptied}
        print_objects({"kind": "pruned", "dry_run": dry_run, **counts})
    else:
        print_lines(_lines(pruned, dry_run=dry_run))


@exits_with_status
def migrate_command(
    store: StoreUrl,
    sql: Annotated[
        bool,
        typer.Option(
            "--sql", help="Only print the SQL, so that a database administrator can run it."
        ),
    ] = False,
) -> None:
    """Create the tables of a store or bring them up to date, under a database role that may do so."""
    from whereupon.storage.upkeep import migrate, sql_of_migrating  # noqa: PLC0415 - not for `prune`

    if sql:
        sys.stdout.write(sql_of_migrating(store))
        return
    versions = migrate(store)
    print_lines([_migration_line(versions.before, versions.after)])


def _migration_line(before: str | None, after: str) -> str:
    if before == after:
        return f"The tables have version {after} already."
    if before is None:
        return f"The tables are created, with version {after}."
    return f"The tables have version {after} now; they had {before}."


def _lines(pruned: Pruned, *, dry_run: bool) -> list[str]:
    removed, emptied = ("would go", "would stay") if dry_run else ("are gone", "stay")
    counted = [f"{count:,} {_NOUNS[kind]} {removed}." for kind, count in pruned.gone.items()]
    if pruned.emptied:
        counted.append(
            f"{pruned.emptied:,} entries {emptied} without the data of their messages: they prevent that "
            "their persons enter again."
        )
    return counted
