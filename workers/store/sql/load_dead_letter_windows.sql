-- What was counted of partitions' dead letters, and which of them are paused.
select r.topic, r.partition, r.counted, r.dead, r.accepted_until, r.paused from dead_letter_windows r
join unnest($1::text[], $2::int[]) as w(topic, partition) using (topic, partition)
