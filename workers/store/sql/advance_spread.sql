-- Moves a spread on and ends its lease, unless a newer version of the company began it anew.
update spreads set cursor = $3, hits = $4, lease_until = null where company_key = $1 and version = $2
