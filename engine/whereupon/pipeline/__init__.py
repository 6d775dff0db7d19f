"""The pipeline: load what a batch touches, decide, write; and work that falls due later.

The package runs `decide` within a store's transactions. It decides nothing itself, and it hands nothing
to a channel: `delivery` does.

For others: `batches` (Pipeline), `ingestion` (from wire to answers), `due_work`, `broadcasts`,
`claim_runner` (claims in chunks), `rule_versions` (versions in use), `work_scope` (work this process leaves alone).
"""
