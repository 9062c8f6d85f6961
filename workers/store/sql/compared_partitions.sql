-- Records that the brokers' partition counts agreed with `positions` at this instant.
update deployment set partitions_compared_until = greatest(partitions_compared_until, $1)
