-- Empty rows for companies heard of for the first time, so that they can be locked.
insert into companies (company_key) select key from unnest($1::text[]) as key order by key on conflict do nothing
