-- Inserts the shards of a new log.
insert into shards (shard) select generate_series(0, $1 - 1)::smallint
