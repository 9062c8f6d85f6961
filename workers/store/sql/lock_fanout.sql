-- Locks a fan-out; no row if it changed since it was claimed.
select from company_fanouts where company_key = $1 and version = $2 and cursor = $3 for update
