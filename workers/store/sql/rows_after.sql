-- All rows of a shard after a sequence number, in order: those that may not be in Kafka yet.
select shard, seq, hash, topic, key, headers, value, decision_id::text, subject, kind, effective_at, recorded_at
from decision_log where shard = $1 and seq > $2 order by seq
