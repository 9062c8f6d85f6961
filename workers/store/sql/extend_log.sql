-- Makes parts of the log ahead of need; returns how many.
select extend_log($1, $2, $3)
