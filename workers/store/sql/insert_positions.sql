-- Inserts a position for each input partition that has none.
insert into positions (topic, partition)
select topic, partition from unnest($1::text[]) as topic, generate_series(0, $2 - 1) as partition
on conflict do nothing
