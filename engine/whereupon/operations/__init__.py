"""Operations: what an operator does with a running store.

The package approves and refuses held requests, verifies the audit log, prunes, removes what is left of
deleted persons, and lists and retries deliveries. Each act is one transaction of the store.

For others: `requests`, `audit_log`, `pruner`, `scrubber`, `outbox`.
"""
