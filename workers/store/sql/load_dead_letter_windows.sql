-- The dead-letter windows of partitions, and which partitions are paused.
select r.topic, r.partition, r.counted, r.dead, r.accepted_until, r.paused from dead_letter_windows r
join unnest($1::text[], $2::int[]) as w(topic, partition) using (topic, partition)
