-- The nightly retention finds what is too old without reading all that is kept.
CREATE INDEX outbox_old ON outbox(not_after_at);
CREATE INDEX outbox_report_heard ON outbox_report(heard_at);
CREATE INDEX inbox_heard ON inbox(heard_at);
CREATE INDEX inbox_pdu_alone ON inbox_pdu(heard_at) WHERE inbox_seq IS NULL;
