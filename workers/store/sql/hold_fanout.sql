-- Locks a fan-out that is still where it was claimed; no row where somebody else moved it.
select from company_fanouts where company_key = $1 and version = $2 and cursor = $3 for update
