-- Ends a fan-out; only under the company's lock, after its version was compared.
delete from company_fanouts where company_key = $1 and version = $2 and cursor = $3
