"""Delivery: hands deliveries to channels and approved requests to a host's actions, with retries.

The package calls the host's code outside of transactions, under a lease. It decides nothing about who gets
what: `decide` made the deliveries.

For others: `dispatcher` (Dispatcher), `action_caller` (ActionCaller), `retries` (Retry, RetryLater,
GiveUp), `channel_policy` (ChannelPolicy), `lanes` (calls within a time limit), `monitor` (hooks, log, counts).
"""
