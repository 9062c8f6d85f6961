-- Partitions that are paused until `standing dead-letters accept`, and why.
select topic, partition, paused from dead_letter_windows where paused is not null order by topic, partition
