"""Channels that come with the library, one module each.

A channel is a function of one `Delivery`. It raises to have the delivery tried again. It knows neither the
store nor the rules.

For others: `console` (prints deliveries).
"""
