-- The brokers have as many partitions as `positions` knows of, as of this instant.
update deployment set partitions_compared_until = greatest(partitions_compared_until, $1)
