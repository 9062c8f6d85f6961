-- Moves each position from where its batch was fetched, if this worker still owns it and the deployment is
-- the one it started with. Whoever gets fewer rows back than it asked for owns no longer what it read.
with expected as (
    select * from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::timestamptz[], $7::timestamptz[])
        as e(topic, partition, fetched_from, next_offset, epoch, complete_until, latest_occurred_at)
), owned as (
    select p.topic, p.partition from positions p join expected e using (topic, partition)
    where p.next_offset = e.fetched_from and p.epoch = e.epoch
    order by p.topic, p.partition for update of p
)
update positions p
set next_offset = e.next_offset,
    complete_until = greatest(p.complete_until, e.complete_until),
    latest_occurred_at = greatest(p.latest_occurred_at, e.latest_occurred_at)
from expected e join owned using (topic, partition)
where p.topic = e.topic and p.partition = e.partition
  and exists (select from deployment where fingerprint = $8)
returning p.topic, p.partition
