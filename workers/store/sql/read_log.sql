-- The rows of a shard after a seq, in order, for the relay: at least one, and none behind as many bytes as it takes.
-- The limit comes before the sum: a window over all that follows would read a whole backlog for its first rows.
with next as (
    select * from decision_log where shard = $1 and seq > $2 order by seq limit $3
), summed as (
    select *, sum(octet_length(value)) over (order by seq rows unbounded preceding) - octet_length(value) as bytes_before
    from next
)
select shard, seq, hash, topic, key, headers, value, decision_id::text, subject, kind, effective_at, recorded_at
from summed where bytes_before < $4 order by seq
