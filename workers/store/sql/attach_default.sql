-- Puts the part for rows that find no other back.
alter table decision_log attach partition decision_log_default default
