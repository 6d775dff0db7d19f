"""Our evaluation of the peers' condition, and the same test written by hand, timed by pyperf.

Run by `tests.benchmarks.conditions`.
"""

from collections.abc import Callable
from typing import Any

import pyperf  # type: ignore[import-untyped]
from tests.benchmarks.peers.condition import ANSWERS, LOGIC, MESSAGES

from whereupon.conditions import NO_HISTORY, Data, History, parse_condition

COUNTRIES = ("fr", "de", "it")
SHORT_FORM: Any = {"product": "socks", "price": {"gt": 20}, "country": ["fr", "de", "it"]}


def by_hand(data: Data, history: History) -> bool:  # noqa: ARG001 - called as a condition is
    """The same test, as written by hand without conversions."""
    properties: Any = data["properties"]
    return (
        properties.get("product") == "socks"
        and properties.get("price", 0) > 20
        and properties.get("country") in COUNTRIES
    )


def every_message(holds: Callable[[Data, History], bool]) -> None:
    """Evaluate the condition for each message."""
    for data in MESSAGES:
        holds(data, NO_HISTORY)


def main() -> None:
    """Check the answers, and time them."""
    short, diagnostics = parse_condition(SHORT_FORM, root="properties")
    raw, more = parse_condition({"logic": LOGIC}, root="properties")
    subjects = {"by hand": by_hand, "short form": short.holds, "JSONLogic": raw.holds}
    for name, holds in subjects.items():
        answers = [holds(data, NO_HISTORY) for data in MESSAGES]
        if answers != ANSWERS or diagnostics or more:
            message = f"{name} answers {answers}"
            raise SystemExit(message)
    runner = pyperf.Runner(program_args=("-m", "tests.benchmarks.own_conditions"))
    for name, holds in subjects.items():
        runner.bench_func(name, every_message, holds, inner_loops=len(MESSAGES))


if __name__ == "__main__":
    main()
