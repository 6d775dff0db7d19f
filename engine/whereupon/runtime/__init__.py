"""What belongs to a process rather than to the engine: forks, the cycle collector, log lines.

The package knows nothing of messages, rules or stores.

For others: `forks` (objects that a child of a fork must not share), `gc_pause` (the public `bulk`),
`lazy` (`cached_property` without a lock), `log_lines` (log records of events, as text and as JSON).
"""
