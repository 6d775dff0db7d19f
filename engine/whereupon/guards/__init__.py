"""Guards: whether a destructive action may run, and the chain of hashes over the audit log.

`judge` is pure: it gets facts and returns a verdict. The package runs no action, holds no request and
reads no store.

For others: `judge` (judge and its facts), `audit_chain` (rows of the audit log, and their verification).
"""
