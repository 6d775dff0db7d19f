"""The in-memory store: the same port as the databases, in dictionaries, with undo for a transaction.

For others: `store` (MemoryStore).
"""
