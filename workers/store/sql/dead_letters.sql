-- The newest dead letters.
select convert_from(value, 'UTF8') from decision_log where kind = 'dead_letter' order by recorded_at desc limit $1
