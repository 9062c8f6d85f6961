-- Sets the head of a shard, which may be new.
insert into shards (shard, next_seq, last_hash) values ($1, $2, $3)
on conflict (shard) do update set next_seq = excluded.next_seq, last_hash = excluded.last_hash
