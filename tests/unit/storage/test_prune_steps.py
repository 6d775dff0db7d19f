"""One step of pruning on PostgreSQL drops no more than it was told, whatever plan the server takes."""

from dataclasses import replace

import pytest
from sqlalchemy.engine import make_url

from whereupon.records import Changes, KeptAnswer, RetainedKind, RetentionCutoff
from whereupon.records.retention import PruneStep
from whereupon.storage import open_store
from whereupon.testing.contracts.samples import NOON, after, run, save

_NESTED_LOOPS = "".join(
    f" -cenable_{each}=off"
    for each in ("hashagg", "hashjoin", "mergejoin", "material", "sort", "tidscan")
)
"""As the server may choose them for small tables, which it has no statistics of."""

OLD = {
    RetainedKind.RUNS: Changes(
        runs={
            ("news", f"news:{n}"): replace(
                run(f"news:{n}", at=after(n), cursor=None), reason="named"
            )
            for n in range(1, 6)
        }
    ),
    RetainedKind.ANSWERS: Changes(
        answers={f"d-{n}": KeptAnswer(f"d-{n}", "a", NOON, after(n)) for n in range(1, 6)}
    ),
}


@pytest.mark.parametrize("kind", OLD, ids=str)
def test_a_step_drops_no_more_than_it_was_told(postgres: str, kind: RetainedKind) -> None:
    """The list of what to drop is found once, and not again for each row."""
    url = make_url(postgres)
    options = f"{url.query['options']}{_NESTED_LOOPS}"
    store = open_store(url.update_query_dict({"options": options}).render_as_string(False))
    try:
        save(store, OLD[kind])
        with store.session() as session:
            step = session.prune(RetentionCutoff(kind, after(9), NOON), 0, 2)
        assert step == PruneStep(2, cursor=0)
    finally:
        store.close()
