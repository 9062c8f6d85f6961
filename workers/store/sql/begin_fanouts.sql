-- A company's terminations changed: its members are to be judged again. A fan-out under way goes on from where it is
-- and comes round again for those before its cursor, for its version is older than the company's; one that only waits
-- for undecided members begins again.
insert into company_fanouts as s (company_key, version, because)
select * from unnest($1::text[], $2::bigint[], $3::text[]) as n(company_key, version, because)
order by n.company_key collate "C"
on conflict (company_key) do update
set version = case when s.deferred then excluded.version else s.version end,
    cursor = case when s.deferred then '' else s.cursor end,
    lease_until = case when s.deferred then null else s.lease_until end,
    deferred = false, because = excluded.because, quarantined = null,
    worked_at = case when s.deferred or s.quarantined is not null then clock_timestamp() else s.worked_at end
