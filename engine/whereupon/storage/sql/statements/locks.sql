-- Locks, for databases with many writers. Rows are locked in the order of a key that never changes, or
-- are skipped if others hold them.

-- name: lock_persons
SELECT key FROM whereupon_person WHERE key = ANY(:keys) ORDER BY key FOR UPDATE

-- name: lock_anonymous
SELECT key FROM whereupon_identifier
WHERE kind = 'anonymous' AND key = ANY(:keys)
ORDER BY key
FOR UPDATE

-- name: lock_due_persons
-- Due entries and their persons, which are locked.
SELECT entry.key, person.key
FROM whereupon_entry AS entry
JOIN whereupon_person AS person ON person.key = entry.person_key
WHERE entry.state = 'active' AND entry.due_at <= :until
ORDER BY entry.due_at, entry.key
LIMIT :limit
FOR UPDATE OF person SKIP LOCKED

-- name: still_due
SELECT whereupon_entry.* FROM whereupon_entry
WHERE key = ANY(:keys) AND state = 'active' AND due_at <= :until
ORDER BY due_at, key

-- name: still_due_timers
SELECT whereupon_timer.* FROM whereupon_timer
WHERE person_key = ANY(:keys) AND subject = ANY(:subjects) AND due_at <= :until
ORDER BY due_at, person_key, subject

-- name: lock_runs
SELECT whereupon_run.* FROM whereupon_run
WHERE cursor IS NOT NULL OR sweep IS NOT NULL
ORDER BY rule, occasion
FOR UPDATE

-- name: take_run
SELECT whereupon_run.* FROM whereupon_run
WHERE cursor IS NOT NULL AND rule = :rule AND occasion = :occasion
FOR UPDATE SKIP LOCKED

-- name: take_swept_run
SELECT whereupon_run.* FROM whereupon_run
WHERE sweep IS NOT NULL AND rule = :rule AND occasion = :occasion
FOR UPDATE SKIP LOCKED

-- name: lock_run
SELECT whereupon_run.* FROM whereupon_run
WHERE rule = :rule AND occasion = :occasion
FOR UPDATE

-- name: lock_audit_head
SELECT id FROM whereupon_audit_head WHERE id = 1 FOR UPDATE

-- name: deliveries_of_persons
SELECT key FROM whereupon_delivery WHERE person_key = ANY(:keys)

-- name: lock_deliveries
SELECT key FROM whereupon_delivery WHERE key = ANY(:keys) ORDER BY key FOR UPDATE

-- name: lock_reported
SELECT key FROM whereupon_delivery
WHERE idempotency_key = ANY(:keys)
ORDER BY key
FOR UPDATE

-- name: lock_devices
SELECT token FROM whereupon_device
WHERE token = ANY(:tokens) OR person_key = ANY(:keys)
ORDER BY token
FOR UPDATE

-- name: lock_objects
SELECT object_id FROM whereupon_thing
WHERE object_id = ANY(:ids)
ORDER BY type_id, object_id
FOR UPDATE

-- name: lock_tombstones
SELECT digest FROM whereupon_tombstone
WHERE digest = ANY(:digests)
ORDER BY digest, "of"
FOR UPDATE

-- name: erasures
SELECT value FROM whereupon_meta WHERE name = 'erasures'

-- name: count_erasure
UPDATE whereupon_meta SET value = value + 1 WHERE name = 'erasures'
