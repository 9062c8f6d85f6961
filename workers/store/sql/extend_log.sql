-- Creates parts of the log in advance; returns how many.
select extend_log($1, $2, $3)
