"""One file a migration; see `whereupon.stores.migrations`."""
