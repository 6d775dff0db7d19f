"""What belongs to a process rather than to the engine: forks, the cycle collector, log lines.

The package knows nothing of messages, rules or stores.

For others: `forks` (values that a child of a fork must not share), `gc_pause` (the public `bulk`),
`lazy` (`cached_property` for frozen values), `log_lines` (text of others made safe for a log).
"""
