"""Output of the command line: records as JSON Lines, and as lines and tables for people.

The package asks no store and decides nothing. rich is imported only here, and for progress bars in `cli`.

For others: `records` (JSON Lines), `report` (a replay for people), `identity`, `outbox`, `requests` and
`audit` (the answers of single commands), `formatting` (safe text).
"""
