"""The pipeline's workload as shops write it themselves, timed; runs in the peers' environment, from the project's root.

    .venv-peers/bin/python tests/benchmarks/peers/stacks.py MESSAGES [SIZE [BEGINNING]]

Prints seconds for one message by name, as JSON; of those whose names begin so, by transactions of so many messages. Everything is on SQLite, on the disk when a commit returns.
"""

import gc
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from types import ModuleType

import shop_bulk
import shop_orm
from matchers import matchers

SIZE = 900
"""Messages in one transaction, if nothing else is asked."""


def _workload() -> ModuleType:
    place = Path(__file__).parent.parent / "workload.py"
    spec = importlib.util.spec_from_file_location("workload", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _keep_loaded() -> None:
    """Set the cycle collector as the engine's process does (`whereupon.runtime.gc_pause`)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def main() -> None:
    """Time every stack once."""
    count, size, only = int(sys.argv[1]), SIZE, ""
    if sys.argv[2:]:
        size, only = int(sys.argv[2]), "".join(sys.argv[3:])
    workload = _workload()
    texts, each = list(workload.messages(count)), matchers(workload.rules())
    ways = {
        **{
            f"ORM and {name}": (shop_orm, name, count // 4)
            for name in each
            if name != "conditions by hand"
        },
        **{
            f"bulk inserts and {name}": (shop_bulk, name, count)
            for name in each
            if name != "business-rules"
        },
    }
    times = {}
    for figure, (shop, name, number) in ways.items():
        if not figure.startswith(only):
            continue
        _keep_loaded()
        with tempfile.TemporaryDirectory(prefix="whereupon-") as folder:
            begun = perf_counter()
            entered = shop.ingest(texts[:number], each[name], f"{folder}/shop.db", size)
            times[figure] = (perf_counter() - begun) / number
        if not entered:
            sys.exit(f"{figure}: nobody entered")
    sys.stdout.write(json.dumps(times))


if __name__ == "__main__":
    main()
