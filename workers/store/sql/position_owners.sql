-- The owners that claimed these partitions last.
select p.owner from positions p join unnest($1::text[], $2::int[]) as c(topic, partition) using (topic, partition)
where p.owner is not null
