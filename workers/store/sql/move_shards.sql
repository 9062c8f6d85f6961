-- Moves the heads of the shards after this transaction's rows, and wakes the relay at the commit.
with moved as (
    update shards s set next_seq = h.next_seq, last_hash = h.last_hash
    from unnest($1::smallint[], $2::bigint[], $3::bytea[]) as h(shard, next_seq, last_hash)
    where s.shard = h.shard returning s.shard
)
select pg_notify('standing_log', '') from (select count(*) from moved) as all_moved
