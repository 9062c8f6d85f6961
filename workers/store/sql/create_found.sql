-- A table for rows of the log found in the topics, in any order, until the transaction ends.
create temporary table found (like decision_log including indexes) on commit drop
