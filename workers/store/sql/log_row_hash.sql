-- The chain hash of one row of the log, to compare with the relay's checkpoints.
select hash from decision_log where shard = $1 and seq = $2
