-- The last sequence number of each shard of the log; 0 if it is empty.
select shard, next_seq - 1 as last_seq from shards order by shard
