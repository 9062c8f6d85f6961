-- Ends a fan-out, under the company's lock and after a comparison of its version.
delete from company_fanouts where company_key = $1 and version = $2 and cursor = $3
