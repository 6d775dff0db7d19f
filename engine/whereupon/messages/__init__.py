"""Messages: their wire form, streams of them, JSON, instants and durations.

The package reads what hosts and clients send, and rejects what is not a message. It knows no rule, no
person and no store. It does no I/O, except that `streams` reads files.

For others: `model` (Message), `wire` (from JSON to Message), `streams` (lines of a file), `codec` (JSON),
`times` (instants, durations), `semantic_events` (event names that the protocol reserves, and actions).
"""
