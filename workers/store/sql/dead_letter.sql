-- The dead letter of one record, by topic/partition/offset.
select convert_from(value, 'UTF8') from decision_log where subject = $1 and kind = 'dead_letter'
