"""The in-memory store: the same port as the databases, in dictionaries, with a log to roll back by.

For tests, replays and first tries. Nothing outlives the process.

For others: `store` (MemoryStore).
"""
