-- Rows of a shard after a sequence number, in order, for the relay: at least one, and none after $4 bytes are
-- reached. The inner limit comes before the sum, because a window function would read the whole backlog for its
-- first rows.
with next as (
    select * from decision_log where shard = $1 and seq > $2 order by seq limit $3
), summed as (
    select *, sum(octet_length(value)) over (order by seq rows unbounded preceding) - octet_length(value) as bytes_before
    from next
)
select shard, seq, hash, topic, key, headers, value, decision_id::text, subject, kind, effective_at, recorded_at
from summed where bytes_before < $4 order by seq
