-- Rows of some topics in a shard after one sequence number and up to another, in order, to be published again.
select shard, seq, hash, topic, key, headers, value, decision_id::text, subject, kind, effective_at, recorded_at
from decision_log where shard = $1 and seq > $2 and seq <= $3 and topic = any($4) order by seq limit $5
