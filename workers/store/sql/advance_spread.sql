-- Moves a spread on, unless a newer version of the company began it anew.
update spreads set cursor = $3, hits = $4, lease_until = case when $5 then null else lease_until end
where company_key = $1 and version = $2
