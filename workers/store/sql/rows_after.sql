-- All rows of a shard after a seq, in order: those that Kafka may not show yet.
select shard, seq, hash, topic, key, headers, value, decision_id::text, subject, kind, effective_at, recorded_at
from decision_log where shard = $1 and seq > $2 order by seq
