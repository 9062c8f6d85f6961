-- Quarantines a fan-out until a newer version of the company, or `standing retry`.
update company_fanouts set quarantined = $4, lease_until = null where company_key = $1 and version = $2 and cursor = $3
