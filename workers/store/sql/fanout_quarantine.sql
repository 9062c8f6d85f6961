-- Why the fan-out of a company is quarantined; no row without a fan-out.
select quarantined from company_fanouts where company_key = $1
