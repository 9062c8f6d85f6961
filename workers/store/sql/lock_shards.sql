-- Locks the heads of the shards that this transaction appends to; these locks come last.
select shard, next_seq, last_hash from shards where shard = any($1::smallint[]) order by shard for update
