-- The heads of the shards after this transaction's rows.
update shards s set next_seq = h.next_seq, last_hash = h.last_hash
from unnest($1::smallint[], $2::bigint[], $3::bytea[]) as h(shard, next_seq, last_hash)
where s.shard = h.shard
