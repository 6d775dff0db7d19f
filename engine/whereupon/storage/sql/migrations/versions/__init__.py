"""One file a migration; see `whereupon.storage.sql.migrations`."""
