"""Delivery: hands deliveries to channels and approved requests to a host's actions, with retries.

The package calls the host's code outside of transactions, under a lease. It decides nothing about who
gets what; `decide` made the deliveries.

For others: `dispatcher` (Dispatcher, RetryPolicy, GiveUp, RetryLater), `action_calls` (Handlers),
`channel_calls` (calling the host's code within time), `monitoring` (hooks and counts).
"""
