"""Replay and import: streams of messages through an engine.

A replay runs streams on a simulated clock in a temporary store, and reports what the rules would have done.
An import writes past messages to a store. The package decides nothing itself.

For others: `records` (`Record`, `Summary`), `stream_replay` (`replay`, `Replay`), `stream_import`
(`import_messages`).
"""
