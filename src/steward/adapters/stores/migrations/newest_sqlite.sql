CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE alerts (
	id VARCHAR(64) NOT NULL, 
	rule VARCHAR(200) NOT NULL, 
	severity VARCHAR(16) NOT NULL, 
	summary TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	value FLOAT, 
	expected FLOAT, 
	started_at FLOAT NOT NULL, 
	ended_at FLOAT, 
	acknowledged_by VARCHAR(200), 
	acknowledged_at FLOAT, 
	PRIMARY KEY (id)
);
CREATE TABLE alias_moves (
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	alias VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	digest VARCHAR(80) NOT NULL, 
	at FLOAT NOT NULL, 
	"by" VARCHAR(200) NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (tenant, name, alias, number)
);
CREATE TABLE approval_decisions (
	request_id VARCHAR(64) NOT NULL, 
	person VARCHAR(200) NOT NULL, 
	at FLOAT NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	digest VARCHAR(100) NOT NULL, 
	PRIMARY KEY (request_id, person, at)
);
CREATE TABLE approval_requests (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	subject VARCHAR(200) NOT NULL, 
	digest VARCHAR(100) NOT NULL, 
	content TEXT NOT NULL, 
	"before" TEXT NOT NULL, 
	authors TEXT NOT NULL, 
	requested_by VARCHAR(200) NOT NULL, 
	requested_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE audit_heads (
	origin VARCHAR(200) NOT NULL, 
	size BIGINT NOT NULL, 
	note TEXT NOT NULL, 
	kept_at FLOAT NOT NULL, 
	PRIMARY KEY (origin)
);
CREATE TABLE breaches (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	summary TEXT NOT NULL, 
	known_at FLOAT NOT NULL, 
	since FLOAT NOT NULL, 
	until FLOAT NOT NULL, 
	routes TEXT NOT NULL, 
	opened_by VARCHAR(200) NOT NULL, 
	notified_at FLOAT, 
	closed_at FLOAT, 
	closed_by VARCHAR(200), 
	outcome TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE captures (
	request_id VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	endpoint VARCHAR(64) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	model VARCHAR(200), 
	streamed BOOLEAN NOT NULL, 
	subject VARCHAR(64), 
	conversation VARCHAR(64), 
	purpose VARCHAR(16) NOT NULL, 
	consent BOOLEAN, 
	form VARCHAR(16) NOT NULL, 
	rules_version VARCHAR(64) NOT NULL, 
	expires_at FLOAT NOT NULL, 
	complete BOOLEAN NOT NULL, 
	sealed BLOB NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (request_id)
);
CREATE TABLE corrections (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	about VARCHAR(64) NOT NULL, 
	sealed BLOB NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE counters (
	name VARCHAR(64) NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE drained (
	segment VARCHAR(200) NOT NULL, 
	"offset" BIGINT NOT NULL, 
	PRIMARY KEY (segment)
);
CREATE TABLE drift_baselines (
	created_at FLOAT NOT NULL, 
	baseline BLOB NOT NULL, 
	PRIMARY KEY (created_at)
);
CREATE TABLE engine_states (
	model VARCHAR(200) NOT NULL, 
	state TEXT NOT NULL, 
	PRIMARY KEY (model)
);
CREATE TABLE erasures (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	subject VARCHAR(100) NOT NULL, 
	key_id VARCHAR(32), 
	at FLOAT NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE evidence (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	"check" VARCHAR(64) NOT NULL, 
	subject TEXT NOT NULL, 
	subject_digest VARCHAR(100) NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	value TEXT NOT NULL, 
	expected TEXT NOT NULL, 
	source TEXT NOT NULL, 
	produced_at FLOAT NOT NULL, 
	valid_until FLOAT, 
	command TEXT NOT NULL, 
	signer VARCHAR(200) NOT NULL, inputs TEXT DEFAULT '[]' NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE exchanges (
	request_id VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	settled_at FLOAT NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	endpoint VARCHAR(64) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	model VARCHAR(200), 
	model_version VARCHAR(200), 
	prompt_version VARCHAR(200), 
	route_version INTEGER NOT NULL, 
	streamed BOOLEAN NOT NULL, 
	outcome VARCHAR(20) NOT NULL, 
	status INTEGER NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	output_tokens BIGINT NOT NULL, 
	estimated BOOLEAN NOT NULL, 
	usd FLOAT, 
	ttft_s FLOAT, 
	duration_s FLOAT NOT NULL, 
	subject VARCHAR(64), 
	conversation VARCHAR(64), 
	attempts BLOB NOT NULL, 
	guards TEXT NOT NULL, 
	upstream_id VARCHAR(200), team VARCHAR(200), tenant VARCHAR(64) DEFAULT 'default' NOT NULL, units TEXT, masked TEXT, ready_s FLOAT, queued_s FLOAT, traceparent VARCHAR(128), release_id VARCHAR(64), arm VARCHAR(16), arm_weight FLOAT, judged FLOAT, 
	PRIMARY KEY (request_id)
);
CREATE TABLE feedback (
	id VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	request_id VARCHAR(64) NOT NULL, 
	score FLOAT NOT NULL, 
	label VARCHAR(64), 
	sealed BLOB, tenant VARCHAR(64) DEFAULT 'default' NOT NULL, subject VARCHAR(64), any_key BOOLEAN DEFAULT 1 NOT NULL, kind VARCHAR(16) DEFAULT 'explicit' NOT NULL, person VARCHAR(64), counted BOOLEAN, 
	PRIMARY KEY (id)
);
CREATE TABLE gauges (
	resolution_s INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	subject VARCHAR(200) NOT NULL, 
	metric VARCHAR(64) NOT NULL, 
	count BIGINT NOT NULL, 
	total FLOAT NOT NULL, 
	least FLOAT NOT NULL, 
	most FLOAT NOT NULL, 
	last FLOAT NOT NULL, 
	PRIMARY KEY (resolution_s, start, subject, metric)
);
CREATE TABLE grants (
	id VARCHAR(64) NOT NULL, 
	subject VARCHAR(200) NOT NULL, 
	role VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	project VARCHAR(200), 
	resource VARCHAR(200), 
	created_at FLOAT NOT NULL, 
	created_by VARCHAR(200) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE holds (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	subject VARCHAR(64), 
	reason TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	created_by VARCHAR(200) NOT NULL, 
	released_at FLOAT, 
	released_by VARCHAR(200), 
	PRIMARY KEY (id)
);
CREATE TABLE improvements (
	id VARCHAR(64) NOT NULL, 
	open_slot VARCHAR(16), 
	state VARCHAR(16) NOT NULL, 
	started_at FLOAT NOT NULL, 
	revision INTEGER NOT NULL, 
	record TEXT NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (open_slot)
);
CREATE TABLE jobs (
	name VARCHAR(64) NOT NULL, 
	holder VARCHAR(200) NOT NULL, 
	leased_until FLOAT NOT NULL, 
	due_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE key_uses (
	key_id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	last_used_at FLOAT NOT NULL, 
	PRIMARY KEY (key_id)
);
CREATE TABLE keys (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	pepper_version INTEGER NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	project VARCHAR(200) NOT NULL, 
	team VARCHAR(200), 
	rpm BIGINT, 
	tpm BIGINT, 
	concurrent BIGINT, 
	usd_per_day FLOAT, 
	usd_per_month FLOAT, 
	priority VARCHAR(16) NOT NULL, 
	rights TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	created_by VARCHAR(200) NOT NULL, 
	revoked_at FLOAT, 
	revoked_by VARCHAR(200), models TEXT, networks TEXT DEFAULT '[]' NOT NULL, not_before FLOAT, expires_at FLOAT, replaced_by VARCHAR(64), lineage VARCHAR(64), 
	PRIMARY KEY (id)
);
CREATE TABLE meters (
	meter VARCHAR(40) NOT NULL, 
	labels VARCHAR(1000) NOT NULL, 
	part VARCHAR(24) NOT NULL, 
	value FLOAT NOT NULL, tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (meter, labels, part)
);
CREATE TABLE minutes (
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	minute BIGINT NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	requests FLOAT NOT NULL, 
	judged FLOAT NOT NULL, 
	failed FLOAT NOT NULL, 
	asked FLOAT NOT NULL, 
	refused FLOAT NOT NULL, 
	rated FLOAT NOT NULL, 
	satisfied FLOAT NOT NULL, 
	score FLOAT NOT NULL, 
	score_squared FLOAT NOT NULL, 
	latency_ms_n FLOAT NOT NULL, 
	latency_ms_log FLOAT NOT NULL, 
	latency_ms_log_squared FLOAT NOT NULL, 
	ttft_ms_n FLOAT NOT NULL, 
	ttft_ms_log FLOAT NOT NULL, 
	ttft_ms_log_squared FLOAT NOT NULL, 
	input_tokens_n FLOAT NOT NULL, 
	input_tokens_log FLOAT NOT NULL, 
	input_tokens_log_squared FLOAT NOT NULL, 
	output_tokens_n FLOAT NOT NULL, 
	output_tokens_log FLOAT NOT NULL, 
	output_tokens_log_squared FLOAT NOT NULL, 
	prompt_chars_n FLOAT NOT NULL, 
	prompt_chars_log FLOAT NOT NULL, 
	prompt_chars_log_squared FLOAT NOT NULL, 
	usd_n FLOAT NOT NULL, 
	usd_log FLOAT NOT NULL, 
	usd_log_squared FLOAT NOT NULL, 
	PRIMARY KEY (tenant, minute, model, route)
);
CREATE TABLE model_versions (
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	digest VARCHAR(80) NOT NULL, 
	created_at FLOAT NOT NULL, 
	record TEXT NOT NULL, 
	tainted TEXT DEFAULT '' NOT NULL, 
	held TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (tenant, name, digest)
);
CREATE TABLE notices (
	id VARCHAR(300) NOT NULL, 
	alert_id VARCHAR(64) NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	created_at FLOAT NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_at FLOAT NOT NULL, 
	delivered_at FLOAT, 
	error TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE outstanding (
	request_id VARCHAR(64) NOT NULL, 
	writer VARCHAR(64) NOT NULL, 
	record BLOB NOT NULL, tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (request_id)
);
CREATE TABLE people (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	groups TEXT NOT NULL, 
	password_hash VARCHAR(200), 
	totp BLOB, 
	disabled_at FLOAT, 
	created_at FLOAT NOT NULL, 
	created_by VARCHAR(200) NOT NULL, 
	changed_at FLOAT NOT NULL, totp_step INTEGER, 
	PRIMARY KEY (id)
);
CREATE TABLE reactions (
	day BIGINT NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	prompt_version VARCHAR(200) NOT NULL, 
	route_version INTEGER NOT NULL, 
	answered BIGINT NOT NULL, 
	rated BIGINT NOT NULL, 
	satisfied BIGINT NOT NULL, 
	regenerated BIGINT NOT NULL, 
	abandoned BIGINT NOT NULL, 
	copied BIGINT NOT NULL, 
	rephrased BIGINT NOT NULL, 
	scored BIGINT NOT NULL, 
	passed BIGINT NOT NULL, 
	PRIMARY KEY (day, tenant, model, route, prompt_version, route_version)
);
CREATE TABLE releases (
	id VARCHAR(64) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	open_route VARCHAR(200), 
	state VARCHAR(16) NOT NULL, 
	started_at FLOAT NOT NULL, 
	revision INTEGER NOT NULL, 
	record TEXT NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (open_route)
);
CREATE TABLE request_features (
	request_id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	at FLOAT NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	features TEXT NOT NULL, 
	PRIMARY KEY (request_id)
);
CREATE TABLE roles (
	name VARCHAR(64) NOT NULL, 
	rights TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE rollups (
	resolution_s INTEGER NOT NULL, 
	dimension VARCHAR(16) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	start BIGINT NOT NULL, 
	value VARCHAR(200) NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	requests FLOAT DEFAULT 0 NOT NULL, 
	judged FLOAT DEFAULT 0 NOT NULL, 
	failed FLOAT DEFAULT 0 NOT NULL, 
	input_tokens FLOAT DEFAULT 0 NOT NULL, 
	output_tokens FLOAT DEFAULT 0 NOT NULL, 
	usd FLOAT DEFAULT 0 NOT NULL, 
	rated FLOAT DEFAULT 0 NOT NULL, 
	satisfied FLOAT DEFAULT 0 NOT NULL, 
	answered FLOAT DEFAULT 0 NOT NULL, 
	regenerated FLOAT DEFAULT 0 NOT NULL, 
	abandoned FLOAT DEFAULT 0 NOT NULL, 
	copied FLOAT DEFAULT 0 NOT NULL, 
	rephrased FLOAT DEFAULT 0 NOT NULL, 
	scored FLOAT DEFAULT 0 NOT NULL, 
	passed FLOAT DEFAULT 0 NOT NULL, 
	running_s FLOAT DEFAULT 0 NOT NULL, 
	ttft_s BLOB NOT NULL, 
	total_s BLOB NOT NULL, 
	inter_token_s BLOB NOT NULL, 
	request_usd BLOB NOT NULL, 
	queued_s BLOB NOT NULL, 
	PRIMARY KEY (resolution_s, dimension, tenant, start, value, model, route)
);
CREATE TABLE roots (
	id INTEGER NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE rule_states (
	rule VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	why TEXT NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (rule)
);
CREATE TABLE secrets (
	kind VARCHAR(40) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	wrapped BLOB NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (kind, tenant, version)
);
CREATE TABLE series (
	resolution_s INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	key_id VARCHAR(64) NOT NULL, 
	requests FLOAT NOT NULL, 
	judged FLOAT NOT NULL, 
	failed FLOAT NOT NULL, 
	input_tokens FLOAT NOT NULL, 
	output_tokens FLOAT NOT NULL, 
	usd FLOAT NOT NULL, 
	rated FLOAT NOT NULL, 
	satisfied FLOAT NOT NULL, 
	ttft_s BLOB NOT NULL, 
	total_s BLOB NOT NULL, 
	inter_token_s BLOB NOT NULL, 
	request_usd BLOB NOT NULL, answered FLOAT DEFAULT 0 NOT NULL, regenerated FLOAT DEFAULT 0 NOT NULL, abandoned FLOAT DEFAULT 0 NOT NULL, copied FLOAT DEFAULT 0 NOT NULL, rephrased FLOAT DEFAULT 0 NOT NULL, scored FLOAT DEFAULT 0 NOT NULL, passed FLOAT DEFAULT 0 NOT NULL, running_s FLOAT DEFAULT 0 NOT NULL, queued_s BLOB DEFAULT (x'') NOT NULL, 
	PRIMARY KEY (resolution_s, start, tenant, model, route, key_id)
);
CREATE TABLE sessions (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	subject VARCHAR(300) NOT NULL, 
	groups TEXT NOT NULL, 
	method VARCHAR(16) NOT NULL, 
	created_at FLOAT NOT NULL, 
	expires_at FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE silences (
	id VARCHAR(64) NOT NULL, 
	rule VARCHAR(200) NOT NULL, 
	starts_at FLOAT NOT NULL, 
	ends_at FLOAT NOT NULL, 
	comment TEXT NOT NULL, 
	created_by VARCHAR(200) NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE subject_keys (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	subject VARCHAR(100) NOT NULL, 
	tenant_version INTEGER NOT NULL, 
	wrapped BLOB NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT one_key_of_a_subject UNIQUE (tenant, subject)
);
CREATE TABLE traces (
	request_id VARCHAR(64) NOT NULL, 
	at FLOAT NOT NULL, 
	kept_for VARCHAR(16) NOT NULL, 
	exported_at FLOAT, 
	tenant VARCHAR(64) DEFAULT 'default' NOT NULL, 
	PRIMARY KEY (request_id)
);
CREATE INDEX ix_alerts_started_at ON alerts (started_at);
CREATE INDEX ix_approval_requests_subject ON approval_requests (subject);
CREATE INDEX ix_captures_at ON captures (at);
CREATE INDEX ix_captures_expires_at ON captures (expires_at);
CREATE INDEX ix_captures_subject ON captures (subject);
CREATE INDEX ix_corrections_subject ON corrections (subject);
CREATE INDEX ix_erasures_at ON erasures (at);
CREATE INDEX ix_erasures_subject ON erasures (subject);
CREATE INDEX ix_evidence_produced_at ON evidence (produced_at);
CREATE INDEX ix_exchanges_at ON exchanges (at);
CREATE INDEX ix_exchanges_release_id ON exchanges (release_id);
CREATE INDEX ix_exchanges_subject ON exchanges (subject);
CREATE INDEX ix_feedback_at ON feedback (at);
CREATE INDEX ix_feedback_person ON feedback (person);
CREATE INDEX ix_feedback_request_id ON feedback (request_id);
CREATE INDEX ix_holds_subject ON holds (subject);
CREATE INDEX ix_minutes_minute ON minutes (minute);
CREATE INDEX ix_notices_alert_id ON notices (alert_id);
CREATE INDEX ix_outstanding_writer ON outstanding (writer);
CREATE INDEX ix_request_features_at ON request_features (at);
CREATE INDEX ix_sessions_subject ON sessions (subject);
CREATE INDEX ix_traces_at ON traces (at);
CREATE INDEX series_sums ON series (resolution_s, start, tenant, model, route, key_id, requests, judged, failed, input_tokens, output_tokens, usd, rated, satisfied);
INSERT INTO alembic_version (version_num) VALUES ('0025');
