-- Rows whose time $1 lies more than five minutes after their arrival.
select * from this where $1 > _arrived_at + interval 5 minute
