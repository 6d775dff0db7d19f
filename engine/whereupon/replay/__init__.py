"""Replay and import: streams of messages through an engine.

A replay runs a stream in memory on a simulated clock and tells what rules would have done; an import
writes history to a store. The package decides nothing itself.

For others: `stream_replay` (Replay), `stream_import` (Import).
"""
