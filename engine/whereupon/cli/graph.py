"""``whereupon graph``: the steps of a rule, drawn or as text."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.configured import KnownStore, store_to_count
from whereupon.cli.exit_status import exits_with_status, fail, print_to_stderr
from whereupon.cli.options import RULES, AsJson, RulesFolder
from whereupon.cli.printing import print_lines, print_objects
from whereupon.cli.stores import existing_store
from whereupon.errors import StoreError
from whereupon.insight import graph_of
from whereupon.records import EntryCount
from whereupon.render.graph import graph_lines, graph_object
from whereupon.render.graph_svg import graph_svg
from whereupon.rules.loading import open_rules
from whereupon.rules.spelling import nearest

Picture: TypeAlias = Annotated[
    Path | None,
    typer.Option("--svg", metavar="FILE", help="Draw it into this file; - is standard output."),
]
CountedStore: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        callback=store_to_count,
        help="Say how many people stand at each step; by default in the store of whereupon.toml.",
    ),
]


@exits_with_status
def graph_command(
    rule: Annotated[str, typer.Argument(help="The rule's id: its file's name without .yaml.")],
    svg: Picture = None,
    store: CountedStore = None,
    rules: RulesFolder = RULES,
    as_json: AsJson = False,
) -> None:
    """Draw a rule: its steps below one another, the arms of a step side by side; or print it as a tree.

    With a store, each step says how many people stand before it, in the rule's version in use and in others.
    """
    if svg is not None and as_json:
        fail("choose either --svg or --json")
    book = open_rules(rules)
    known = book.rule(rule)
    if known is None:
        hint = nearest(rule, [each.id for each in book.rules])
        fail(f"there is no rule called {rule!r} in {rules}{hint}")
    graph = graph_of(known, None if store is None else _counts(store, rule))
    if as_json:
        print_objects(graph_object(graph))
    elif svg is None:
        print_lines(graph_lines(graph))
    elif str(svg) == "-":
        sys.stdout.write(graph_svg(graph))
    else:
        svg.write_text(graph_svg(graph), encoding="utf-8")


def _counts(url: str, rule: str) -> Sequence[EntryCount] | None:
    """Who is inside the rule; None if the configuration names a store that nobody has made yet."""
    try:
        with closing(existing_store(url)) as store, store.reading() as session:
            return session.count_inside(rule)
    except StoreError as error:
        if error.code != "no-store" or not isinstance(url, KnownStore):
            raise
        print_to_stderr(f"whereupon: nobody is counted: {error}")
        return None
