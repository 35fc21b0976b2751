"""The tables of the SQLite store. Short rows: a home leaves some 200 documents a day."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS party (
  number INTEGER PRIMARY KEY, party_id TEXT NOT NULL UNIQUE, role TEXT NOT NULL,
  capacity_w INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0, secret_hash TEXT,
  keys TEXT NOT NULL DEFAULT '[]') STRICT;
CREATE TABLE IF NOT EXISTS document (
  seq INTEGER PRIMARY KEY, party INTEGER NOT NULL, key_hash INTEGER NOT NULL,
  stream INTEGER NOT NULL, name TEXT) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS document_key ON document (key_hash);
CREATE INDEX IF NOT EXISTS document_name ON document (party, name) WHERE name IS NOT NULL;
CREATE TABLE IF NOT EXISTS evidence (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS pack (
  last INTEGER PRIMARY KEY, seqs BLOB NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tender (
  document INTEGER NOT NULL, uid INTEGER NOT NULL, party INTEGER NOT NULL, start INTEGER NOT NULL,
  buy INTEGER NOT NULL, price INTEGER NOT NULL, quantity INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL, PRIMARY KEY (document, uid)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cancel (
  document INTEGER NOT NULL, uid INTEGER NOT NULL, seq INTEGER NOT NULL,
  quantity INTEGER NOT NULL, supervisory INTEGER NOT NULL,
  PRIMARY KEY (document, uid)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call (
  seq INTEGER PRIMARY KEY, start INTEGER NOT NULL, time INTEGER NOT NULL, price INTEGER,
  volume INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS call_start ON call (start);
CREATE TABLE IF NOT EXISTS fill (
  start INTEGER NOT NULL, party INTEGER NOT NULL, seq INTEGER NOT NULL, call INTEGER NOT NULL,
  document INTEGER NOT NULL, uid INTEGER NOT NULL, buy INTEGER NOT NULL, price INTEGER NOT NULL,
  quantity INTEGER NOT NULL, PRIMARY KEY (start, party, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fill_party ON fill (party, seq);
CREATE TABLE IF NOT EXISTS session (
  seq INTEGER PRIMARY KEY, start INTEGER NOT NULL, time INTEGER NOT NULL,
  status TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
  start INTEGER NOT NULL, party INTEGER NOT NULL, document INTEGER NOT NULL,
  import_wh INTEGER NOT NULL, export_wh INTEGER NOT NULL, quality INTEGER NOT NULL,
  PRIMARY KEY (start, party, document)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statement (
  start INTEGER NOT NULL, party INTEGER NOT NULL, seq INTEGER NOT NULL, run TEXT NOT NULL,
  position INTEGER NOT NULL, metered INTEGER NOT NULL, estimated INTEGER NOT NULL,
  imbalance_price INTEGER NOT NULL, energy INTEGER NOT NULL, imbalance INTEGER NOT NULL,
  uncontracted INTEGER NOT NULL, fee INTEGER NOT NULL, reverses INTEGER, time INTEGER NOT NULL,
  PRIMARY KEY (start, party, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiver (start INTEGER PRIMARY KEY, published INTEGER NOT NULL) STRICT;
CREATE VIEW IF NOT EXISTS tender_state AS
  SELECT t.*, d.seq AS seq, p.party_id,
    CASE d.stream WHEN 0 THEN d.name ELSE d.name || '.' || t.uid END AS tender_id,
    COALESCE(c.quantity, 0) AS canceled, COALESCE(c.supervisory, 0) AS supervisory,
    COALESCE((SELECT SUM(f.quantity) FROM fill f WHERE f.start = t.start AND f.party = t.party
      AND f.document = t.document AND f.uid = t.uid), 0) AS filled
  FROM tender t JOIN document d ON d.seq = t.document JOIN party p ON p.number = t.party
  LEFT JOIN cancel c ON c.document = t.document AND c.uid = t.uid;
"""
VERSION = 2  # of the schema: 1 had one JSON text a row
