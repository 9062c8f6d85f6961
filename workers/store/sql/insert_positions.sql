-- Every input partition has a position; one that is there stays.
insert into positions (topic, partition)
select topic, partition from unnest($1::text[]) as topic, generate_series(0, $2 - 1) as partition
on conflict do nothing
