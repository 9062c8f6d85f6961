-- Moves a fan-out from where it was claimed and ends its lease, unless it changed meanwhile.
update company_fanouts set version = $4, cursor = $5, deferred = $6, lease_until = null
where company_key = $1 and version = $2 and cursor = $3
