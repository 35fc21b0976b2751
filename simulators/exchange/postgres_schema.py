"""The tables of the PostgreSQL store: those of the SQLite store, and what a cluster needs beside.

Rows are only ever added; but for marks, the counter, the positions in the log and the register of
parties nothing is updated.
"""

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS mark (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS party (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, party_id text NOT NULL UNIQUE,
  role text NOT NULL, capacity_w bigint NOT NULL, revoked integer NOT NULL DEFAULT 0,
  secret_hash text, keys text NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS document (
  seq bigint PRIMARY KEY, party integer NOT NULL, key_hash bigint NOT NULL,
  stream integer NOT NULL, name_hash bigint, name text);
CREATE UNIQUE INDEX IF NOT EXISTS document_key ON document (key_hash);
CREATE INDEX IF NOT EXISTS document_name ON document (name_hash) WHERE name_hash IS NOT NULL;
CREATE TABLE IF NOT EXISTS evidence (seq bigint PRIMARY KEY, body bytea NOT NULL);
ALTER TABLE evidence ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS tender (
  document bigint NOT NULL, uid integer NOT NULL, party integer NOT NULL, start integer NOT NULL,
  buy integer NOT NULL, price integer NOT NULL, quantity bigint NOT NULL,
  expires_ms bigint NOT NULL, PRIMARY KEY (document, uid));
CREATE INDEX IF NOT EXISTS tender_start ON tender (start, party);
CREATE TABLE IF NOT EXISTS cancel (
  document bigint NOT NULL, uid integer NOT NULL, seq bigint NOT NULL, quantity bigint NOT NULL,
  supervisory integer NOT NULL, PRIMARY KEY (document, uid));
CREATE TABLE IF NOT EXISTS call (
  seq bigint PRIMARY KEY, start integer NOT NULL, time bigint NOT NULL, price integer,
  volume bigint NOT NULL, UNIQUE (start, time));
CREATE INDEX IF NOT EXISTS call_time ON call (time);
CREATE TABLE IF NOT EXISTS fill (
  start integer NOT NULL, party integer NOT NULL, seq bigint NOT NULL, call bigint NOT NULL,
  document bigint NOT NULL, uid integer NOT NULL, buy integer NOT NULL, price integer NOT NULL,
  quantity bigint NOT NULL, PRIMARY KEY (start, party, seq));
CREATE INDEX IF NOT EXISTS fill_party ON fill (party, seq);
CREATE UNIQUE INDEX IF NOT EXISTS fill_once ON fill (call, document, uid);
CREATE TABLE IF NOT EXISTS session (
  seq bigint PRIMARY KEY, start integer NOT NULL, time bigint NOT NULL, status text NOT NULL,
  UNIQUE (start, status));
CREATE TABLE IF NOT EXISTS delivery (
  start integer NOT NULL, party integer NOT NULL, document bigint NOT NULL,
  import_wh bigint NOT NULL, export_wh bigint NOT NULL, quality integer NOT NULL,
  PRIMARY KEY (start, party, document));
CREATE TABLE IF NOT EXISTS run (
  seq bigint PRIMARY KEY, start integer NOT NULL, name text NOT NULL,
  imbalance_price integer NOT NULL, time bigint NOT NULL, UNIQUE (start, name));
CREATE TABLE IF NOT EXISTS statement (
  start integer NOT NULL, party integer NOT NULL, seq bigint NOT NULL, run bigint NOT NULL,
  position bigint NOT NULL, metered bigint NOT NULL, estimated integer NOT NULL,
  energy bigint NOT NULL, imbalance bigint NOT NULL, uncontracted bigint NOT NULL,
  fee bigint NOT NULL, reverses bigint, PRIMARY KEY (start, party, seq));
CREATE TABLE IF NOT EXISTS waiver (start integer PRIMARY KEY, published bigint NOT NULL);
CREATE TABLE IF NOT EXISTS counter (one integer PRIMARY KEY, next bigint NOT NULL);
INSERT INTO counter VALUES (1, 1) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS log_position (
  shard integer PRIMARY KEY, seq bigint NOT NULL, step bigint NOT NULL, gate integer NOT NULL);
CREATE TABLE IF NOT EXISTS result (
  start integer NOT NULL, time bigint NOT NULL, call bigint NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (start, time));
"""
