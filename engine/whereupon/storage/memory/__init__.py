"""The in-memory store: the same port as the databases, in dictionaries, with a log to roll back by.

It is for tests, replays and first tries; nothing outlives the process. For others: `store` (MemoryStore).
"""
