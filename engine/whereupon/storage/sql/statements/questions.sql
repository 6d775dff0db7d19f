-- What people and guards ask: lists, counts and reports.

-- name: entries_of
SELECT whereupon_entry.* FROM whereupon_entry
WHERE person_key = :person AND rule = :rule
ORDER BY timestamp DESC, message_key DESC, key DESC
LIMIT :limit

-- name: time_skips_of
SELECT whereupon_time_skip.* FROM whereupon_time_skip
WHERE person_key = :person AND rule = :rule
ORDER BY timestamp DESC, key DESC
LIMIT :limit

-- name: entries_by
SELECT whereupon_entry.* FROM whereupon_entry
WHERE person_key = :person AND message_key = ANY(:keys)
ORDER BY message_key, key

-- name: claimed_messages
SELECT {message}
FROM whereupon_message
JOIN whereupon_name ON whereupon_name.id = whereupon_message.name_id
WHERE whereupon_message.owner = :person AND whereupon_message.user_id IS NULL
ORDER BY whereupon_message.timestamp DESC, whereupon_message.key DESC
LIMIT :limit

-- name: merges
SELECT whereupon_merge.* FROM whereupon_merge
WHERE survivor_key = ANY(:keys)
ORDER BY merged_at, message_id

-- name: persons_with_email
SELECT whereupon_person.* FROM whereupon_person
WHERE email = ANY(:emails)
ORDER BY key

-- name: versions_of
SELECT digest FROM whereupon_wording WHERE rule = :rule

-- name: reports_of
SELECT whereupon_report.* FROM whereupon_report
WHERE subject = :key AND kind = 'delivery'
ORDER BY timestamp, message_id

-- name: survivor_of
SELECT survivor_key FROM whereupon_merge WHERE loser_key = :loser

-- name: runs_of
SELECT whereupon_run.* FROM whereupon_run
WHERE rule = :rule AND (timestamp, occasion) < (:before, :occasion_before)
ORDER BY timestamp DESC, occasion DESC
LIMIT :limit

-- name: messages_before
-- The first condition is one that the index by owner and timestamp has.
SELECT {message}
FROM whereupon_message
JOIN whereupon_name ON whereupon_name.id = whereupon_message.name_id
WHERE whereupon_message.owner = :person AND whereupon_message.timestamp <= :before
    AND (whereupon_message.timestamp, whereupon_message.key) < (:before, :key_before)
ORDER BY whereupon_message.timestamp DESC, whereupon_message.key DESC
LIMIT :limit

-- name: runs_before
-- The newest behind a place.
SELECT whereupon_run.* FROM whereupon_run
WHERE (timestamp, rule, occasion) < (:before, :rule, :occasion)
ORDER BY timestamp DESC, rule DESC, occasion DESC
LIMIT :limit

-- name: entries_inside
-- The next of a rule by key.
SELECT whereupon_entry.* FROM whereupon_entry
WHERE rule = :rule AND state IN ('active', 'paused') AND key > :after
    AND state = ANY(:states)
    AND (:any_version = 1 OR digest = :version) AND (:any_address = 1 OR address = :address)
ORDER BY key
LIMIT :limit

-- name: entries_paused
SELECT whereupon_entry.* FROM whereupon_entry
WHERE rule = :rule AND state = 'paused' AND key > :after
    AND (:any_version = 1 OR digest = :version) AND (:any_address = 1 OR address = :address)
ORDER BY key
LIMIT :limit

-- name: count_paused
SELECT rule, count(*) FROM whereupon_entry WHERE state = 'paused' GROUP BY rule ORDER BY rule

-- name: entries_of_person
SELECT whereupon_entry.* FROM whereupon_entry
WHERE person_key = :person AND key > :after
    AND state = ANY(:states) AND (:any_rule = 1 OR rule = :rule)
    AND (:any_version = 1 OR digest = :version) AND (:any_address = 1 OR address = :address)
ORDER BY key
LIMIT :limit

-- name: entries_among
-- Of the next so many by key.
SELECT whereupon_entry.* FROM whereupon_entry
WHERE key > :after AND key <= :until
    AND state = ANY(:states) AND (:any_rule = 1 OR rule = :rule)
    AND (:any_version = 1 OR digest = :version) AND (:any_address = 1 OR address = :address)
ORDER BY key
LIMIT :limit

-- name: count_inside
SELECT rule, digest, address, state, count(*), min(due_at) FROM whereupon_entry
WHERE state IN ('active', 'paused')
GROUP BY rule, digest, address, state
ORDER BY rule, digest, address, state

-- name: count_inside_of
SELECT rule, digest, address, state, count(*), min(due_at) FROM whereupon_entry
WHERE state IN ('active', 'paused') AND rule = :rule
GROUP BY rule, digest, address, state
ORDER BY rule, digest, address, state

-- name: count_waiting_of_run
-- Each state has an index of its own.
SELECT
    (SELECT count(*) FROM whereupon_delivery
        WHERE state = 'pending' AND rule = :rule AND message_id = :occasion),
    (SELECT count(*) FROM whereupon_delivery
        WHERE state = 'held' AND rule = :rule AND message_id = :occasion),
    (SELECT count(*) FROM whereupon_delivery
        WHERE state = 'paused' AND rule = :rule AND message_id = :occasion)

-- name: count_timers
SELECT count(*) FROM whereupon_timer WHERE subject = :subject

-- name: count_persons_after
SELECT count(*) FROM whereupon_person WHERE key > :after

-- name: set_aside
SELECT whereupon_set_aside.* FROM whereupon_set_aside
WHERE NOT EXISTS (
    SELECT 1 FROM whereupon_message
    WHERE whereupon_message.message_id = whereupon_set_aside.message_id
)
ORDER BY whereupon_set_aside.set_aside_at DESC, whereupon_set_aside.message_id
LIMIT :limit

-- name: deliveries
SELECT whereupon_delivery.* FROM whereupon_delivery
WHERE key < :before AND key >= :after AND state = ANY(:states)
    AND (:any_channel = 1 OR channel = :channel) AND (:any_rule = 1 OR rule = :rule)
ORDER BY key DESC
LIMIT :limit

-- name: deliveries_end
-- The last of so many, behind a key.
SELECT key FROM whereupon_delivery WHERE key < :before ORDER BY key DESC LIMIT 1 OFFSET :skipped

-- name: unfinished_deliveries
-- Two parts, each with an index of its own; `+ 0` keeps the database from going through all keys instead.
SELECT * FROM (
    SELECT whereupon_delivery.* FROM whereupon_delivery WHERE state = 'pending'
    UNION ALL
    SELECT whereupon_delivery.* FROM whereupon_delivery
    WHERE state = 'held' OR state = 'dead' OR state = 'paused'
) AS unfinished
WHERE key + 0 < :before AND state = ANY(:states)
    AND (:any_channel = 1 OR channel = :channel) AND (:any_rule = 1 OR rule = :rule)
ORDER BY key + 0 DESC
LIMIT :limit

-- name: person_deliveries
SELECT whereupon_delivery.* FROM whereupon_delivery
WHERE person_key = :person AND key < :before AND state = ANY(:states)
    AND (:any_channel = 1 OR channel = :channel) AND (:any_rule = 1 OR rule = :rule)
ORDER BY key DESC
LIMIT :limit

-- name: deliveries_of
SELECT whereupon_delivery.* FROM whereupon_delivery
WHERE person_key = :person AND message_id = ANY(:occasions)
ORDER BY key

-- name: dead_count
SELECT count(*) FROM whereupon_delivery
WHERE state = 'dead' AND due_at >= :since
    AND (:any_channel = 1 OR channel = :channel) AND (:any_rule = 1 OR rule = :rule)

-- name: backlog
-- Two parts, each with an index of its own.
SELECT state, channel, count(*), min(due_at)
FROM (
    SELECT state, channel, due_at FROM whereupon_delivery WHERE state = 'pending'
    UNION ALL
    SELECT state, channel, due_at FROM whereupon_delivery
    WHERE state = 'held' OR state = 'dead' OR state = 'paused'
) AS unfinished
GROUP BY state, channel
ORDER BY state, channel

-- name: entry_groups
SELECT
    rule,
    CASE WHEN state = 'held-out' THEN 1 ELSE 0 END AS held_out,
    coalesce(arms, '') AS taken,
    count(*),
    count(sent_at),
    count(converted_at),
    count(watched_until),
    sum(CASE WHEN watched_until >= :now THEN 1 ELSE 0 END)
FROM whereupon_entry
WHERE entered_at >= :since AND entered_at < :until AND (:any_rule = 1 OR rule = :rule)
GROUP BY rule, held_out, taken
ORDER BY rule, held_out, taken

-- name: figures
-- The numbers are the bits of metrics; 206 is every metric that says that a delivery has arrived.
SELECT
    rule,
    channel,
    sum(CASE WHEN state = 'pending' THEN 1 ELSE 0 END),
    sum(CASE WHEN state = 'held' THEN 1 ELSE 0 END),
    sum(CASE WHEN state = 'paused' THEN 1 ELSE 0 END),
    sum(CASE WHEN state = 'sent' THEN 1 ELSE 0 END),
    sum(CASE WHEN state = 'withheld' THEN 1 ELSE 0 END),
    sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 206) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 4) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 8) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 16) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 32) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 64) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 128) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 256) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 512) <> 0 THEN 1 ELSE 0 END),
    sum(CASE WHEN (reports & 1024) <> 0 THEN 1 ELSE 0 END)
FROM whereupon_delivery
WHERE due_at >= :since AND due_at < :until AND (:any_rule = 1 OR rule = :rule)
GROUP BY rule, channel
ORDER BY rule, channel

-- name: request
SELECT whereupon_request.* FROM whereupon_request WHERE key = :key

-- name: requests
SELECT whereupon_request.* FROM whereupon_request
WHERE outcome = ANY(:outcomes) AND key < :before
ORDER BY key DESC
LIMIT :limit

-- name: open_requests_of
SELECT whereupon_request.* FROM whereupon_request
WHERE outcome IN ('held', 'approved') AND (person = ANY(:ids) OR target_id = ANY(:ids))
ORDER BY key

-- name: count_ran
SELECT count(*) FROM whereupon_request
WHERE action = ANY(:actions) AND decided_at > :since
    AND outcome IN ('ran', 'approved', 'failed', 'undone')
    AND (:source = '' OR source = :source)

-- name: approvals
SELECT whereupon_approval.* FROM whereupon_approval
WHERE request = :request
ORDER BY approved_at, actor

-- name: breakers
SELECT whereupon_breaker.* FROM whereupon_breaker ORDER BY guard

-- name: devices
SELECT whereupon_device.* FROM whereupon_device WHERE token = ANY(:tokens)

-- name: objects
SELECT type_id, object_id FROM whereupon_thing
WHERE type_id = ANY(:types) AND object_id = ANY(:ids)

-- name: relationships
SELECT whereupon_relationship.* FROM whereupon_relationship
WHERE person_key = ANY(:persons) AND object_id = ANY(:ids)

-- name: answer
SELECT whereupon_answer.* FROM whereupon_answer WHERE digest = :digest

-- name: audit_head
SELECT whereupon_audit_head.* FROM whereupon_audit_head WHERE id = 1

-- name: audit_rows
SELECT whereupon_audit.* FROM whereupon_audit
WHERE sequence > :after
ORDER BY sequence
LIMIT :limit

-- name: audit_rows_of
SELECT whereupon_audit.* FROM whereupon_audit WHERE request = :request ORDER BY sequence

-- name: counts
SELECT
    (SELECT count(*) FROM whereupon_message),
    (SELECT count(*) FROM whereupon_person),
    (SELECT count(*) FROM whereupon_entry WHERE state <> 'held-out'),
    (SELECT count(*) FROM whereupon_delivery)

-- name: first_received
SELECT received_at FROM whereupon_message
WHERE key = (SELECT min(key) FROM whereupon_message)

-- name: count_persons
SELECT count(*) FROM whereupon_person

-- name: footprint
-- Rows by table, and when the person last did something.
SELECT
    (SELECT count(*) FROM whereupon_message WHERE owner = :person),
    (SELECT count(*) FROM whereupon_identifier WHERE key = :person),
    (SELECT count(*) FROM whereupon_claim WHERE person_key = :person),
    (SELECT count(*) FROM whereupon_entry WHERE person_key = :person),
    (SELECT count(*) FROM whereupon_delivery WHERE person_key = :person),
    (SELECT count(*) FROM whereupon_device WHERE person_key = :person),
    (SELECT count(*) FROM whereupon_inbox WHERE person_key = :person),
    (SELECT count(*) FROM whereupon_relationship WHERE person_key = :person),
    (SELECT count(*) FROM whereupon_person WHERE key = :person),
    (SELECT max(timestamp) FROM whereupon_message WHERE owner = :person AND depth = 0)

-- name: inbox
-- The newest behind a place.
SELECT whereupon_inbox.* FROM whereupon_inbox
WHERE person_key = :person AND (created_at, key) < (:created_before, :key_before)
    AND (expires_at IS NULL OR expires_at > :now)
ORDER BY created_at DESC, key DESC
LIMIT :limit

-- name: unread_inbox
SELECT whereupon_inbox.* FROM whereupon_inbox
WHERE person_key = :person AND read_at IS NULL
    AND (created_at, key) < (:created_before, :key_before)
    AND (expires_at IS NULL OR expires_at > :now)
ORDER BY created_at DESC, key DESC
LIMIT :limit

-- name: count_unread
SELECT count(*) FROM whereupon_inbox
WHERE person_key = :person AND read_at IS NULL AND (expires_at IS NULL OR expires_at > :now)

-- name: inbox_item
SELECT whereupon_inbox.* FROM whereupon_inbox WHERE key = :key

-- name: inbox_behind
SELECT key FROM whereupon_inbox
WHERE person_key = :person AND channel = :channel
ORDER BY created_at DESC, key DESC
LIMIT :limit OFFSET :skipped

-- name: count_prunable_inbox
SELECT count(*) FROM whereupon_inbox WHERE expires_at <= :before

-- name: count_prunable_answers
SELECT count(*) FROM whereupon_answer WHERE expires_at <= :before

-- name: count_prunable_open_skips
SELECT count(*) FROM whereupon_open_skip WHERE expires_at <= :before

-- name: count_prunable_runs
SELECT count(*) FROM whereupon_run
WHERE timestamp < :before AND cursor IS NULL AND reason = 'named'

-- name: count_prunable_skips
SELECT count(*) FROM whereupon_skips WHERE decided_at < :before

-- name: count_prunable_time_skips
SELECT count(*) FROM whereupon_time_skip WHERE decided_at < :before

-- name: count_prunable_deliveries
SELECT count(*) FROM whereupon_delivery
WHERE state IN ('sent', 'withheld', 'dead') AND due_at < :before

-- name: count_prunable_set_aside
SELECT count(*) FROM whereupon_set_aside WHERE set_aside_at < :before
