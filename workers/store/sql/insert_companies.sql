-- Inserts empty rows for new companies, so that they can be locked.
insert into companies (company_key) select key from unnest($1::text[]) as key order by key collate "C" on conflict do nothing
