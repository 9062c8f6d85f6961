-- Locks each position at the offset from which its batch was fetched, if this worker still owns it and the
-- deployment is the one it started with. Fewer rows than requested: the worker has lost a partition.
select p.topic, p.partition from positions p
join unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
    as e(topic, partition, next_offset, epoch) using (topic, partition)
where p.next_offset = e.next_offset and p.epoch = e.epoch and exists (select from deployment where fingerprint = $5)
order by p.topic, p.partition for update of p
