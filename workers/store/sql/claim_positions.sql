-- Takes partitions over under a new epoch, so that their former owner can write nothing more.
with claimed as (
    select p.topic, p.partition from positions p
    join unnest($1::text[], $2::int[]) as c(topic, partition) using (topic, partition)
    order by p.topic, p.partition for update of p
)
update positions p set epoch = p.epoch + 1, owner = $3
from claimed c where p.topic = c.topic and p.partition = c.partition
returning p.topic, p.partition, p.next_offset, p.epoch, p.watermark, p.latest_occurred_at
