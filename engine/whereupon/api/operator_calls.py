"""Calls for the person who operates the engine: retries, scrubbing, pruning."""

from datetime import timedelta

from whereupon.api.parts import EngineParts
from whereupon.operations.pruner import Pruned
from whereupon.ports import HostTransaction
from whereupon.records import Delivery


class OperatorCalls(EngineParts):
    """The calls that repair and tidy a store."""

    def retry(self, delivery: Delivery, *, connection: HostTransaction | None = None) -> None:
        """Put a dead delivery back into the outbox, due now, under its old idempotency key.

        Raises:
            UnknownNameError: it is not dead; a delivery that was sent is not sent again.
        """
        self._outbox.retry(delivery, connection=connection)

    def retry_all(
        self,
        *,
        channel: str | None = None,
        rule: str | None = None,
        since: timedelta | None = None,
    ) -> int:
        """Put every dead delivery back, due now, under its old key; returns how many there were.

        Args:
            channel: only those of this channel.
            rule: only those of this rule.
            since: only those that died at most this long ago.
        """
        return self._outbox.retry_all(channel=channel, rule=rule, since=since)

    def scrub(self) -> bool:
        """Remove the bytes of deleted persons from where the database leaves them (pages, logs).

        It waits for nobody. `run_due` does it, too, after every erasure.

        Returns:
            Whether nothing is left; if not, other processes were in the way: call it again.
        """
        return self._workers.scrubbing.scrub()

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Remove, now, finished records that are older than their retention; `run_due` does it by itself.

        Args:
            dry_run: only count them.
        """
        return self._workers.pruning.prune(dry_run=dry_run)
