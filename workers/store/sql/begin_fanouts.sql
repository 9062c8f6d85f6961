-- Starts fan-outs of companies whose terminations changed. A running fan-out continues from its cursor and starts
-- again at its end, because its version is older than the company's; one that only waits for undecided members
-- starts again.
insert into company_fanouts as s (company_key, version, because)
select * from unnest($1::text[], $2::bigint[], $3::text[]) as n(company_key, version, because)
order by n.company_key collate "C"
on conflict (company_key) do update
set version = case when s.deferred then excluded.version else s.version end,
    cursor = case when s.deferred then '' else s.cursor end,
    lease_until = case when s.deferred then null else s.lease_until end,
    deferred = false, because = excluded.because, quarantined = null,
    worked_at = case when s.deferred or s.quarantined is not null then clock_timestamp() else s.worked_at end
