-- Where the consumer of decisions is: moved in the transaction of what it did with the records before it.
create table tidemark.alert_progress (
  topic text not null,
  topic_id text not null,
  partition int not null,
  next_offset bigint not null, -- of the topic of decisions
  primary key (topic, topic_id, partition)
);

-- High-water rule: what is below has been seen; a repeat of it is dropped.
create table tidemark.alert_high_water (
  topic text not null, -- of the records that were decided
  topic_id text not null,
  partition int not null,
  next_offset bigint not null, -- 1 + highest offset seen
  primary key (topic, topic_id, partition)
);

create table tidemark.alerts (
  number bigint generated always as identity primary key, -- A-000001
  topic text not null,
  grouped_by text not null check (grouped_by in ('key', 'reason')),
  subject text not null, -- the key, or the reason code
  window_starts_at timestamptz not null,
  window_ends_at timestamptz not null,
  state text not null default 'open' check (state in ('open', 'closed')),
  severity text not null check (severity in ('low', 'medium', 'high', 'critical')),
  worst_tier int not null, -- 0 low to 3 critical
  decisions bigint not null,
  declines bigint not null,
  max_p_fraud double precision,
  top_class text, -- of the decision with the highest probability
  opened_at timestamptz not null, -- when the first of its records was decided
  last_at timestamptz not null,
  first_decision text not null,
  last_decision text not null,
  verdict text check (verdict in ('fraud', 'legitimate', 'unsure')), -- the newest one
  closed_at timestamptz,
  closed_by text
);

create unique index alerts_open on tidemark.alerts (topic, grouped_by, subject, window_starts_at)
  where state = 'open';
create index alerts_by_state on tidemark.alerts (state, number);

-- The first decisions of an alert; the alert counts all of them.
create table tidemark.alert_decisions (
  alert bigint not null references tidemark.alerts on delete cascade,
  decision_id text not null,
  key text not null,
  event_id text, -- null: nothing can be said about it to others
  event_time timestamptz,
  decided_at timestamptz not null,
  decision text not null,
  risk_tier text not null,
  reason_code text,
  p_fraud double precision,
  class text,
  reasons text[] not null,
  model_version text,
  primary key (alert, decision_id)
);

-- What operators said, all of it.
create table tidemark.verdicts (
  number bigint generated always as identity primary key,
  alert bigint not null references tidemark.alerts on delete cascade,
  event_id text, -- null: about all events of the alert
  verdict text not null check (verdict in ('fraud', 'legitimate', 'unsure')),
  fraud_type text,
  note text,
  said_by text not null,
  said_at timestamptz not null
);
create index verdicts_by_alert on tidemark.verdicts (alert, number);

-- What was said last about an event; its revision goes on with each change of mind.
create table tidemark.verdict_labels (
  event_id text primary key,
  revision int not null,
  label text not null,
  fraud_type text,
  verdict bigint not null -- number of the verdict
);

-- Records that a transaction of ours wants to be in Kafka; sent in the order of numbers.
create table tidemark.outbox (
  number bigint generated always as identity primary key,
  topic text not null,
  key text not null,
  value text not null,
  written_at timestamptz not null,
  sent_at timestamptz
);
create index outbox_unsent on tidemark.outbox (number) where sent_at is null;

-- What was brought back once from the lake into a database that was new.
create table tidemark.restored (
  what text primary key,
  restored_at timestamptz not null default now()
);
