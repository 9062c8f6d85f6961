-- Partitions that rest until `standing dead-letters accept`, and why.
select topic, partition, paused from rejects where paused is not null order by topic, partition
