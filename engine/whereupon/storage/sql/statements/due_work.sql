-- What waits for a time, how it is taken, and what is too old to be kept.

-- name: next_claim_due
SELECT min(due_at) FROM whereupon_claiming

-- name: waiting_channels
-- From each channel to the next by the index, however many deliveries are between.
WITH RECURSIVE waiting (channel) AS (
    SELECT min(channel) FROM whereupon_delivery WHERE state = 'pending'
    UNION ALL
    SELECT (
        SELECT min(delivery.channel) FROM whereupon_delivery AS delivery
        WHERE delivery.state = 'pending' AND delivery.channel > waiting.channel
    )
    FROM waiting
    WHERE waiting.channel IS NOT NULL
)
SELECT
    waiting.channel,
    (
        SELECT min(delivery.due_at) FROM whereupon_delivery AS delivery
        WHERE delivery.state = 'pending' AND delivery.channel = waiting.channel
    )
FROM waiting
WHERE waiting.channel IS NOT NULL

-- name: held_channels
WITH RECURSIVE waiting (channel) AS (
    SELECT min(channel) FROM whereupon_delivery WHERE state = 'held'
    UNION ALL
    SELECT (
        SELECT min(delivery.channel) FROM whereupon_delivery AS delivery
        WHERE delivery.state = 'held' AND delivery.channel > waiting.channel
    )
    FROM waiting
    WHERE waiting.channel IS NOT NULL
)
SELECT waiting.channel FROM waiting
WHERE waiting.channel IS NOT NULL

-- name: channel
SELECT whereupon_channel.* FROM whereupon_channel WHERE name = :name

-- name: channel_to_change
SELECT whereupon_channel.* FROM whereupon_channel WHERE name = :name
FOR UPDATE

-- name: due_entries
SELECT whereupon_entry.* FROM whereupon_entry
WHERE state = 'active' AND due_at <= :until
ORDER BY due_at, key
LIMIT :limit

-- name: waiting_versions
-- From each digest to the next by the index, however many entries are between.
WITH RECURSIVE version (digest) AS (
    SELECT min(digest) FROM whereupon_entry WHERE state = 'active'
    UNION ALL
    SELECT (
        SELECT min(entry.digest) FROM whereupon_entry AS entry
        WHERE entry.state = 'active' AND entry.digest > version.digest
    )
    FROM version
    WHERE version.digest IS NOT NULL
)
SELECT
    (
        SELECT entry.rule FROM whereupon_entry AS entry
        WHERE entry.state = 'active' AND entry.digest = version.digest
        LIMIT 1
    ),
    version.digest,
    (
        SELECT min(entry.due_at) FROM whereupon_entry AS entry
        WHERE entry.state = 'active' AND entry.digest = version.digest
    )
FROM version
WHERE version.digest IS NOT NULL
ORDER BY version.digest

-- name: armings
SELECT whereupon_arming.* FROM whereupon_arming ORDER BY subject, digest

-- name: take_arming
SELECT whereupon_arming.* FROM whereupon_arming
WHERE subject = :subject AND digest = :digest AND cursor IS NOT NULL
FOR UPDATE SKIP LOCKED

-- name: count_entries
SELECT digest, count(*) FROM whereupon_entry
WHERE state = 'active' AND digest = ANY(:versions)
GROUP BY digest

-- name: due_claim_jobs
SELECT whereupon_claiming.* FROM whereupon_claiming
WHERE due_at <= :until
ORDER BY due_at, anonymous_key
LIMIT :limit

-- name: waiting_runs
SELECT whereupon_run.* FROM whereupon_run
WHERE cursor IS NOT NULL
ORDER BY due_at, rule, occasion

-- name: swept_runs
SELECT whereupon_run.* FROM whereupon_run
WHERE sweep IS NOT NULL
ORDER BY rule, occasion

-- name: entries_of_run
SELECT whereupon_entry.* FROM whereupon_entry
WHERE rule = :rule AND state IN ('active', 'paused') AND state = ANY(:states)
    AND occasion = :occasion
LIMIT :limit

-- name: pending_of_run
SELECT idempotency_key FROM whereupon_delivery
WHERE state = 'pending' AND rule = :rule AND message_id = :occasion
LIMIT :limit

-- name: held_of_run
SELECT idempotency_key FROM whereupon_delivery
WHERE state = 'held' AND rule = :rule AND message_id = :occasion
LIMIT :limit

-- name: paused_of_run
SELECT idempotency_key FROM whereupon_delivery
WHERE state = 'paused' AND rule = :rule AND message_id = :occasion
LIMIT :limit

-- name: paused_of_rule
SELECT idempotency_key FROM whereupon_delivery
WHERE state = 'paused' AND reason = 'rule-paused' AND rule = :rule
LIMIT :limit

-- name: persons_after
SELECT whereupon_person.* FROM whereupon_person
WHERE key > :key
ORDER BY key
LIMIT :limit

-- name: person_behind
SELECT key FROM whereupon_person
WHERE key > :key
ORDER BY key
LIMIT 1 OFFSET :skipped

-- name: due_deliveries_of
SELECT whereupon_delivery.* FROM whereupon_delivery
WHERE state = 'pending' AND due_at <= :until AND channel = :channel
ORDER BY due_at, key
LIMIT :limit
FOR UPDATE SKIP LOCKED

-- name: held_deliveries_of
SELECT whereupon_delivery.* FROM whereupon_delivery
WHERE state = 'held' AND channel = :channel
ORDER BY due_at, key
LIMIT :limit
FOR UPDATE SKIP LOCKED

-- name: foreign_deliveries
SELECT key FROM whereupon_delivery
WHERE state = 'pending' AND due_at <= :until AND channel = :channel
ORDER BY due_at, key
LIMIT :limit
FOR UPDATE SKIP LOCKED

-- name: leased_now
SELECT delivery.key, delivery.state, delivery.due_at, person.user_id, person.attributes,
    EXISTS (SELECT 1 FROM whereupon_suppressed AS address WHERE address.channel = delivery.channel),
    EXISTS (SELECT 1 FROM whereupon_pause AS paused
        WHERE paused.rule = delivery.rule AND paused.sweep IS NULL)
FROM whereupon_delivery AS delivery
LEFT JOIN whereupon_person AS person ON person.key = delivery.person_key
WHERE delivery.key = ANY(:keys)

-- name: sends_before
SELECT delivery.key,
    other.idempotency_key, other.person_key, other.channel, other.due_at, other.state, other.leased
FROM whereupon_delivery AS delivery
JOIN whereupon_delivery AS other ON other.person_key = delivery.person_key
WHERE delivery.key = ANY(:keys) AND other.key <> delivery.key AND other.kind IS NULL
    AND (
        other.state = 'sent' AND other.due_at > :since
        OR other.state IN ('pending', 'held', 'paused') AND other.key < delivery.key
        OR other.state = 'withheld' AND other.leased = 1 AND other.key < delivery.key
    )

-- name: dead_keys
SELECT key FROM whereupon_delivery
WHERE state = 'dead' AND due_at >= :since
    AND (:any_channel = 1 OR channel = :channel) AND (:any_rule = 1 OR rule = :rule)
ORDER BY due_at, key
LIMIT :limit
FOR UPDATE SKIP LOCKED

-- name: revive
UPDATE whereupon_delivery
SET due_at = :new_due_at, state = 'pending', reason = NULL, attempts = 0
WHERE key = :revived AND state = 'dead'

-- name: due_requests
SELECT whereupon_request.* FROM whereupon_request
WHERE outcome IN ('held', 'approved') AND outcome = 'held'
    AND (due_at <= :until OR expires_at <= :expiring)
ORDER BY coalesce(due_at, expires_at), key
LIMIT :limit

-- name: next_request_due
SELECT min(due_at), min(expires_at) FROM whereupon_request
WHERE outcome IN ('held', 'approved')

-- name: next_request_due_of
SELECT min(due_at), min(expires_at) FROM whereupon_request
WHERE outcome IN ('held', 'approved') AND (outcome = 'held' OR action = ANY(:actions))

-- name: due_approved
SELECT whereupon_request.* FROM whereupon_request
WHERE outcome IN ('held', 'approved') AND outcome = 'approved'
    AND action = ANY(:actions) AND due_at <= :until
ORDER BY due_at, key
LIMIT :limit
FOR UPDATE SKIP LOCKED

-- name: prune_end_skips
SELECT message_key FROM whereupon_skips
WHERE message_key > :after
ORDER BY message_key
LIMIT 1 OFFSET :skipped

-- name: prune_end_time_skips
SELECT key FROM whereupon_time_skip
WHERE key > :after
ORDER BY key
LIMIT 1 OFFSET :skipped

-- name: prune_end_deliveries
SELECT key FROM whereupon_delivery
WHERE key > :after
ORDER BY key
LIMIT 1 OFFSET :skipped

-- name: prune_end_entries
SELECT key FROM whereupon_entry
WHERE key > :after
ORDER BY key
LIMIT 1 OFFSET :skipped

-- name: prune_skips
DELETE FROM whereupon_skips
WHERE message_key IN (
    SELECT message_key FROM whereupon_skips
    WHERE message_key > :after AND message_key <= :until AND decided_at < :before
    ORDER BY message_key
    FOR UPDATE SKIP LOCKED
)

-- name: prune_time_skips
DELETE FROM whereupon_time_skip
WHERE key IN (
    SELECT key FROM whereupon_time_skip
    WHERE key > :after AND key <= :until AND decided_at < :before
    ORDER BY key
    FOR UPDATE SKIP LOCKED
)

-- name: prune_deliveries
DELETE FROM whereupon_delivery
WHERE key IN (
    SELECT key FROM whereupon_delivery
    WHERE key > :after AND key <= :until
        AND state IN ('sent', 'withheld', 'dead') AND due_at < :before
    ORDER BY key
    FOR UPDATE SKIP LOCKED
)

-- name: prune_set_aside
-- MATERIALIZED: PostgreSQL may run a list of `IN` again for each row, and rows that are locked anew are further ones.
DELETE FROM whereupon_set_aside
WHERE message_id IN (
    WITH old AS MATERIALIZED (
        SELECT message_id FROM whereupon_set_aside
        WHERE set_aside_at < :before
        ORDER BY set_aside_at, message_id
        LIMIT :reach
        FOR UPDATE SKIP LOCKED
    )
    SELECT message_id FROM old
)

-- name: prune_inbox
DELETE FROM whereupon_inbox
WHERE key IN (
    WITH old AS MATERIALIZED (
        SELECT key FROM whereupon_inbox
        WHERE expires_at <= :before
        ORDER BY expires_at, key
        LIMIT :reach
        FOR UPDATE SKIP LOCKED
    )
    SELECT key FROM old
)

-- name: prune_answers
DELETE FROM whereupon_answer
WHERE digest IN (
    WITH old AS MATERIALIZED (
        SELECT digest FROM whereupon_answer
        WHERE expires_at <= :before
        ORDER BY expires_at, digest
        LIMIT :reach
        FOR UPDATE SKIP LOCKED
    )
    SELECT digest FROM old
)

-- name: prune_open_skips
DELETE FROM whereupon_open_skip
WHERE (message_key, rule) IN (
    WITH old AS MATERIALIZED (
        SELECT message_key, rule FROM whereupon_open_skip
        WHERE expires_at <= :before
        ORDER BY expires_at, message_key, rule
        LIMIT :reach
        FOR UPDATE SKIP LOCKED
    )
    SELECT message_key, rule FROM old
)

-- name: prune_runs
DELETE FROM whereupon_run
WHERE (rule, occasion) IN (
    WITH old AS MATERIALIZED (
        SELECT rule, occasion FROM whereupon_run
        WHERE timestamp < :before AND cursor IS NULL AND reason = 'named'
        ORDER BY timestamp, rule, occasion
        LIMIT :reach
        FOR UPDATE SKIP LOCKED
    )
    SELECT rule, occasion FROM old
)

-- name: empty_entries
UPDATE whereupon_entry SET facts = '{}', trail = NULL
WHERE key IN (
    SELECT key FROM whereupon_entry
    WHERE key > :after AND key <= :until
        AND state NOT IN ('active', 'paused') AND coalesce(ended_at, entered_at) < :before
        AND coalesce(watched_until, 0) < :before AND facts <> '{}'
    ORDER BY key
    FOR UPDATE SKIP LOCKED
)
