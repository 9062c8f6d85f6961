-- A company's terminations changed: its members are judged from the first one on again, at once: whoever works on
-- the version before can neither move nor end this one.
insert into spreads (company_key, version, because)
select * from unnest($1::text[], $2::bigint[], $3::text[]) as s(company_key, version, because) order by s.company_key collate "C"
on conflict (company_key) do update
set version = excluded.version, cursor = '', hits = '{}', because = excluded.because, lease_until = null,
    worked_at = default
