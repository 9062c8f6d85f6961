-- Empty rows for companies heard of for the first time, so that they can be locked.
insert into companies (company_key) select key from unnest($1::text[]) as key order by key collate "C" on conflict do nothing
