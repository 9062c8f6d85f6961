-- Locks each position from where its batch was fetched, if this worker still owns it and the deployment is the one it
-- started with. Whoever gets fewer rows back than it asked for owns no longer what it read.
select p.topic, p.partition from positions p
join unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
    as e(topic, partition, next_offset, epoch) using (topic, partition)
where p.next_offset = e.next_offset and p.epoch = e.epoch and exists (select from deployment where fingerprint = $5)
order by p.topic, p.partition for update of p
