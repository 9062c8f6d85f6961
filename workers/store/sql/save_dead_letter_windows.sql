-- Stores the dead-letter windows of a batch; its transaction has locked the positions of these partitions.
insert into dead_letter_windows (topic, partition, counted, dead, accepted_until, paused)
select * from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bigint[], $6::text[])
on conflict (topic, partition) do update
set counted = excluded.counted, dead = excluded.dead, accepted_until = excluded.accepted_until,
    paused = excluded.paused
