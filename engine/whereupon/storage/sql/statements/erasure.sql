-- What a merge gives to the survivor, what goes with an erased person, and what others keep of it.

-- name: merge_into
-- Gives what is the loser's to the survivor. A relationship that both have stays behind, and goes.
UPDATE whereupon_message SET owner = :survivor WHERE owner = :loser;
UPDATE whereupon_identifier SET key = :survivor WHERE key = :loser;
UPDATE whereupon_claim SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_claiming SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_entry SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_delivery SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_device SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_inbox SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_open_skip SET person_key = :survivor WHERE person_key = :loser;
INSERT INTO whereupon_timer (person_key, subject, due_at)
SELECT :survivor, subject, due_at FROM whereupon_timer WHERE person_key = :loser
ON CONFLICT (person_key, subject) DO UPDATE SET due_at = excluded.due_at
WHERE excluded.due_at < whereupon_timer.due_at;
DELETE FROM whereupon_timer WHERE person_key = :loser;
UPDATE whereupon_time_skip SET person_key = :survivor WHERE person_key = :loser;
UPDATE whereupon_merge SET survivor_key = :survivor WHERE survivor_key = :loser;
UPDATE whereupon_relationship SET person_key = :survivor
WHERE person_key = :loser AND NOT EXISTS (
    SELECT 1 FROM whereupon_relationship AS other
    WHERE other.person_key = :survivor
        AND other.type_id = whereupon_relationship.type_id
        AND other.object_id = whereupon_relationship.object_id
);
DELETE FROM whereupon_relationship WHERE person_key = :loser;
DELETE FROM whereupon_person WHERE key = :loser

-- name: erase
-- Every table with rows of persons, or of the anonymous ids that only they claimed.
DELETE FROM whereupon_skips
WHERE message_key IN (SELECT key FROM whereupon_message WHERE owner = ANY(:keys));
DELETE FROM whereupon_message WHERE owner = ANY(:keys);
DELETE FROM whereupon_identifier WHERE key = ANY(:keys);
DELETE FROM whereupon_claim WHERE person_key = ANY(:keys);
DELETE FROM whereupon_claiming WHERE person_key = ANY(:keys);
DELETE FROM whereupon_claiming WHERE anonymous_key = ANY(:keys);
DELETE FROM whereupon_entry WHERE person_key = ANY(:keys);
DELETE FROM whereupon_delivery WHERE person_key = ANY(:keys);
DELETE FROM whereupon_device WHERE person_key = ANY(:keys);
DELETE FROM whereupon_inbox WHERE person_key = ANY(:keys);
DELETE FROM whereupon_open_skip WHERE person_key = ANY(:keys);
DELETE FROM whereupon_timer WHERE person_key = ANY(:keys);
DELETE FROM whereupon_time_skip WHERE person_key = ANY(:keys);
DELETE FROM whereupon_relationship WHERE person_key = ANY(:keys);
DELETE FROM whereupon_merge WHERE survivor_key = ANY(:keys);
DELETE FROM whereupon_merge WHERE loser_key = ANY(:keys);
DELETE FROM whereupon_person WHERE key = ANY(:keys)

-- name: only_theirs
-- Anonymous ids that these persons claimed and nobody else.
SELECT DISTINCT claim.anonymous_key FROM whereupon_claim AS claim
WHERE claim.person_key = ANY(:keys) AND NOT EXISTS (
    SELECT 1 FROM whereupon_claim AS other
    WHERE other.anonymous_key = claim.anonymous_key AND other.person_key <> ALL(:keys)
)

-- name: owned_ids
SELECT message_id FROM whereupon_message WHERE owner = ANY(:keys)

-- name: users_among
SELECT value FROM whereupon_identifier WHERE kind = 'user' AND key = ANY(:keys)

-- name: requests_naming
SELECT key, message_id, person FROM whereupon_request
WHERE person = ANY(:ids) OR target_id = ANY(:ids)

-- name: blank_request
UPDATE whereupon_request
SET message_id = :new_id, person = NULL, requester = NULL, type = NULL, anonymous_id = NULL,
    target_id = NULL, body = NULL
WHERE key = :changed

-- name: blank_requester
UPDATE whereupon_request SET requester = NULL WHERE requester = ANY(:ids)

-- name: reports_naming
SELECT message_id FROM whereupon_report WHERE person = ANY(:ids)

-- name: blank_report
-- A metric that is none of the known ones is a text of the sender's.
UPDATE whereupon_report
SET message_id = :new_id,
    subject = '',
    metric = CASE
        WHEN metric IN (
            'sent', 'delivered', 'opened', 'clicked', 'converted', 'bounced', 'complained',
            'unsubscribed', 'dropped', 'deferred', 'failed', 'spammed'
        ) THEN metric
        ELSE ''
    END,
    person = NULL,
    reason = NULL
WHERE message_id = :changed

-- name: drop_message
DELETE FROM whereupon_message WHERE message_id = :message_id

-- name: opened_runs
SELECT run.rule, run.occasion, run.cursor
FROM whereupon_run AS run
JOIN whereupon_message AS message ON message.key = run.message_key
WHERE message.owner = ANY(:keys)

-- name: rivals
-- Others who claimed an anonymous id that these persons claimed, too.
SELECT DISTINCT rival.person_key FROM whereupon_claim AS rival
WHERE rival.anonymous_key IN (
    SELECT anonymous_key FROM whereupon_claim WHERE person_key = ANY(:keys)
) AND rival.person_key <> ALL(:keys)

-- name: others_entries
-- Entries of rivals that a message of these persons opened. The owner is looked up for each entry: as
-- a join, a database without statistics may go through all messages of the persons for each.
SELECT entry.key, entry.person_key, entry.rule, entry.occasion FROM whereupon_entry AS entry
WHERE entry.person_key = ANY(:rivals) AND (
    SELECT message.owner FROM whereupon_message AS message WHERE message.key = entry.message_key
) = ANY(:keys)

-- name: blank_entry
UPDATE whereupon_entry SET occasion = :new_occasion, facts = '{}' WHERE key = :changed

-- name: sent_to
SELECT key FROM whereupon_delivery
WHERE person_key = :person AND rule = :rule AND message_id = :occasion

-- name: sent_by_run
SELECT key FROM whereupon_delivery WHERE rule = :rule AND message_id = :occasion

-- name: blank_deliveries
-- What waits is not sent any more; an entry that has waited for it goes on.
UPDATE whereupon_entry SET due_at = entered_at
WHERE due_at = :never AND key IN (
    SELECT awaited_by FROM whereupon_delivery
    WHERE person_key = :person AND rule = :rule AND message_id = :occasion
        AND state IN ('pending', 'held', 'paused')
);
UPDATE whereupon_delivery
SET message_id = NULL,
    content = '{}',
    result = NULL,
    state = CASE WHEN state IN ('pending', 'held', 'paused') THEN 'withheld' ELSE state END,
    reason = CASE WHEN state IN ('pending', 'held', 'paused') THEN 'erased' ELSE reason END
WHERE person_key = :person AND rule = :rule AND message_id = :occasion

-- name: drop_inbox_of
-- What an inbox shows of that, in the order of the keys: its owner may be marking it as read.
DELETE FROM whereupon_inbox
WHERE key IN (
    SELECT key FROM whereupon_inbox
    WHERE person_key = :person AND rule = :rule AND occasion = :occasion
    ORDER BY key
    FOR UPDATE
)

-- name: blank_run
-- The run, its entries, and what they sent. A run of the same occasion may have been blanked before.
DELETE FROM whereupon_run WHERE rule = :rule AND occasion = :new_occasion;
UPDATE whereupon_run SET occasion = :new_occasion, facts = '{}'
WHERE rule = :rule AND occasion = :occasion;
UPDATE whereupon_entry SET occasion = :new_occasion, facts = '{}'
WHERE rule = :rule AND occasion = :occasion;
UPDATE whereupon_entry SET due_at = entered_at
WHERE due_at = :never AND key IN (
    SELECT awaited_by FROM whereupon_delivery
    WHERE rule = :rule AND message_id = :occasion AND state IN ('pending', 'held', 'paused')
);
UPDATE whereupon_delivery
SET message_id = NULL,
    content = '{}',
    result = NULL,
    state = CASE WHEN state IN ('pending', 'held', 'paused') THEN 'withheld' ELSE state END,
    reason = CASE WHEN state IN ('pending', 'held', 'paused') THEN 'erased' ELSE reason END
WHERE rule = :rule AND message_id = :occasion;
DELETE FROM whereupon_inbox
WHERE key IN (
    SELECT key FROM whereupon_inbox
    WHERE rule = :rule AND occasion = :occasion
    ORDER BY key
    FOR UPDATE
)
