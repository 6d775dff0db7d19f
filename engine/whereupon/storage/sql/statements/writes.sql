-- What a batch writes, beside the inserts, upserts and deletes of rows by their keys: those are made of
-- the lists of columns.

-- name: add_name
INSERT INTO whereupon_name (type, name) VALUES (:type, :name) ON CONFLICT (name, type) DO NOTHING

-- name: add_skipped_list
INSERT INTO whereupon_skipped_list (revision, kind) VALUES (:type, :name)
ON CONFLICT (revision, kind) DO NOTHING

-- name: skipped
SELECT message_key FROM whereupon_skips WHERE message_key = ANY(:keys)

-- name: earlier_skips
SELECT whereupon_skips.* FROM whereupon_skips WHERE message_key = ANY(:keys)

-- name: append_skips
-- Later verdicts go behind earlier ones.
INSERT INTO whereupon_skips (message_key, decided_at, retroactive, verdicts)
VALUES (:message_key, :decided_at, :retroactive, :verdicts)
ON CONFLICT (message_key) DO UPDATE SET
    decided_at = excluded.decided_at,
    retroactive = excluded.retroactive,
    verdicts = whereupon_skips.verdicts || ',' || excluded.verdicts

-- name: transfer_skips
-- The same skips for each message of one name that a claim takes along.
INSERT INTO whereupon_skips (message_key, decided_at, retroactive, verdicts)
SELECT key, CAST(:claimed_at AS BIGINT), 1, CAST(:said AS TEXT)
FROM whereupon_message
WHERE owner = :waiting AND timestamp BETWEEN :since AND :until AND name_id = :name_number
ON CONFLICT (message_key) DO UPDATE SET
    decided_at = excluded.decided_at,
    retroactive = excluded.retroactive,
    verdicts = whereupon_skips.verdicts || ',' || excluded.verdicts

-- name: arm_timer
-- A timer that is there and earlier stays.
INSERT INTO whereupon_timer (person_key, subject, due_at)
VALUES (:person_key, :subject, :due_at)
ON CONFLICT (person_key, subject) DO UPDATE SET due_at = excluded.due_at
WHERE excluded.due_at < whereupon_timer.due_at

-- name: transfer_messages
-- Inert messages that a claim takes along: by their name, or by their name and age.
UPDATE whereupon_message SET owner = :claimant
WHERE owner = :waiting AND timestamp BETWEEN :since AND :until
    AND (name_id = ANY(:names) OR name_id = ANY(:aged) AND timestamp < :before)

-- name: advance_run
-- A run never goes back: somebody may have begun to send it meanwhile. A cursor ends as NULL.
INSERT INTO whereupon_run (
    rule, occasion, digest, timestamp, due_at, cursor, facts, depth, message_key, admitted, reason,
    sweep, operations, let_in, closes_at
)
VALUES (
    :rule, :occasion, :digest, :timestamp, :due_at, :cursor, :facts, :depth, :message_key,
    :admitted, :reason, :sweep, :operations, :let_in, :closes_at
)
ON CONFLICT (rule, occasion) DO UPDATE SET
    digest = excluded.digest,
    timestamp = excluded.timestamp,
    due_at = excluded.due_at,
    cursor = excluded.cursor,
    facts = excluded.facts,
    depth = excluded.depth,
    message_key = excluded.message_key,
    admitted = excluded.admitted,
    reason = excluded.reason,
    sweep = excluded.sweep,
    operations = excluded.operations,
    let_in = excluded.let_in,
    closes_at = excluded.closes_at
WHERE whereupon_run.cursor IS NOT NULL
    AND (excluded.cursor IS NULL OR excluded.cursor >= whereupon_run.cursor)

-- name: withdraw
UPDATE whereupon_delivery SET state = 'withheld', reason = :why
WHERE idempotency_key = :withdrawn AND state IN ('pending', 'held', 'paused')

-- name: halt_delivery
UPDATE whereupon_delivery SET state = 'paused', reason = NULL
WHERE idempotency_key = :halted AND state IN ('pending', 'held', 'paused')

-- name: release_delivery
UPDATE whereupon_delivery SET state = 'pending', reason = NULL
WHERE idempotency_key = :released AND state = 'paused'

-- name: wake_entry
-- An entry waits for something other than a time only at the last instant of the calendar.
UPDATE whereupon_entry SET due_at = :woken_at
WHERE key = :waiting AND state IN ('active', 'paused') AND due_at = :never

-- name: drop_pause
-- Somebody may have paused the rule again.
DELETE FROM whereupon_pause WHERE rule = :rule AND sweep IS NOT NULL

-- name: operate_run
UPDATE whereupon_run
SET cursor = :new_cursor, reason = :new_reason, sweep = :new_sweep, operations = :new_operations
WHERE rule = :changed_rule AND occasion = :changed_occasion

-- name: report_delivery
UPDATE whereupon_delivery SET reports = reports | :bits WHERE idempotency_key = :reported

-- name: discard_asides_of_users
DELETE FROM whereupon_set_aside WHERE user_id = ANY(:ids)

-- name: discard_asides_of_anonymous
DELETE FROM whereupon_set_aside WHERE anonymous_id = ANY(:ids)

-- name: lease_request
UPDATE whereupon_request SET due_at = :new_due_at WHERE key = :changed

-- name: drop_lapsed_processes
-- Rows of processes that have learned nothing for long.
DELETE FROM whereupon_meta
WHERE name IN (
    SELECT name FROM whereupon_meta
    WHERE name LIKE 'process:%' AND value < :before
    FOR UPDATE SKIP LOCKED
)
