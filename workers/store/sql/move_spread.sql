-- Moves a fan-out from where it was claimed and ends its lease, unless somebody else moved it meanwhile.
update spreads set version = $4, cursor = $5, waits = $6, lease_until = null
where company_key = $1 and version = $2 and cursor = $3
