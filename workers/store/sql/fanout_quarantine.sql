-- Why the fan-out of a company cannot go on; no row where none is under way.
select quarantined from company_fanouts where company_key = $1
