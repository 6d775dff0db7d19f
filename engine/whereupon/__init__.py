"""whereupon: a campaign-trigger rules engine that a backend embeds."""
