"""What comes in: messages and their wire form, streams of them, JSON, instants and durations.

The package reads what hosts and clients send and refuses what is no message. It knows no rule, no
person and no store, and it does no I/O: a caller gives it lines.

For others: `model` (Message), `wire` (from JSON to Message), `streams` (lines of a file), `codec` (JSON),
`times` (instants, durations), `semantic_events` (event names that the protocol reserves, and actions).
"""
