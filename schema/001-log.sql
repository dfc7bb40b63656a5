-- Version 1: the log. Plain enough for writers down to SQLite 3.31: no STRICT, no generated
-- columns, no unixepoch(), no octet_length().
--
-- A constraint's name is what a refused writer reads ("CHECK constraint failed: <name>"), so each
-- name is the reason. length() and GLOB stop at a NUL byte; CAST AS BLOB and instr() see past it.
-- The usual type is compared first: that spares most inserts three looks at its bytes.
-- Instants are milliseconds since 1970-01-01T00:00:00Z. julianday('now') carries a clock of whole
-- milliseconds with an error of some 0.02 ms, so round() gives exactly the clock's value.

CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT
    CONSTRAINT "id must be from 1 to 9007199254740991"
      CHECK (id BETWEEN 1 AND 9007199254740991),
  channel TEXT NOT NULL
    CONSTRAINT "channel must be text" CHECK (typeof(channel) = 'text')
    CONSTRAINT "channel must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ / -"
      CHECK (length(CAST(channel AS BLOB)) BETWEEN 1 AND 128
        AND channel NOT GLOB '*[^A-Za-z0-9._~:@/-]*'
        AND instr(CAST(channel AS BLOB), x'00') = 0),
  type TEXT NOT NULL DEFAULT 'message'
    CONSTRAINT "type must be text" CHECK (typeof(type) = 'text')
    CONSTRAINT "type must be 1 to 128 bytes long"
      CHECK (type = 'message' OR length(CAST(type AS BLOB)) BETWEEN 1 AND 128)
    CONSTRAINT "type must not hold CR, LF or NUL"
      CHECK (type = 'message'
        OR instr(CAST(type AS BLOB), x'0a') = 0
          AND instr(CAST(type AS BLOB), x'0d') = 0
          AND instr(CAST(type AS BLOB), x'00') = 0)
    CONSTRAINT "type must not start with sluice:"
      CHECK (type = 'message' OR substr(type, 1, 7) <> 'sluice:'),
  data TEXT NOT NULL
    CONSTRAINT "data must be text" CHECK (typeof(data) = 'text')
    CONSTRAINT "data must be at most 1048576 bytes long"
      CHECK (length(CAST(data AS BLOB)) <= 1048576),
  key TEXT
    CONSTRAINT "key must be text" CHECK (typeof(key) IN ('text', 'null'))
    CONSTRAINT "key must be 1 to 256 bytes long"
      CHECK (key IS NULL OR length(CAST(key AS BLOB)) BETWEEN 1 AND 256),
  created_at INTEGER NOT NULL
    DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
    CONSTRAINT "created_at must be milliseconds since 1970"
      CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN 0 AND 253402300799999),
  expires_at INTEGER
    CONSTRAINT "expires_at must be milliseconds since 1970, or NULL"
      CHECK (expires_at IS NULL
        OR typeof(expires_at) = 'integer' AND expires_at BETWEEN 1 AND 253402300799999)
);

-- An index ends in the row's id, so this one gives a channel's events in order.
CREATE INDEX events_channel ON events (channel);
CREATE UNIQUE INDEX events_key ON events (channel, key) WHERE key IS NOT NULL;
CREATE INDEX events_expiry ON events (expires_at) WHERE expires_at IS NOT NULL;

-- What the log says of itself: exactly one row.
CREATE TABLE log (
  id INTEGER PRIMARY KEY
    CONSTRAINT "log holds exactly one row" CHECK (id = 1),
  epoch TEXT NOT NULL
    CONSTRAINT "epoch must be 8 lower-case hex digits"
      CHECK (typeof(epoch) = 'text' AND length(CAST(epoch AS BLOB)) = 8
        AND epoch NOT GLOB '*[^0-9a-f]*' AND instr(CAST(epoch AS BLOB), x'00') = 0),
  pruned INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "pruned must be an event id or 0"
      CHECK (typeof(pruned) = 'integer' AND pruned >= 0),
  max_event_size INTEGER NOT NULL DEFAULT 262144
    CONSTRAINT "max_event_size must be from 1 to 1048576 bytes"
      CHECK (typeof(max_event_size) = 'integer' AND max_event_size BETWEEN 1 AND 1048576),
  identity TEXT NOT NULL DEFAULT ''
    CONSTRAINT "identity must be text" CHECK (typeof(identity) = 'text')
);

INSERT INTO log (id, epoch) VALUES (1, lower(hex(randomblob(4))));

CREATE TRIGGER log_insert BEFORE INSERT ON log
BEGIN
  SELECT RAISE(ABORT, 'log holds exactly one row');
END;

CREATE TRIGGER log_delete BEFORE DELETE ON log
BEGIN
  SELECT RAISE(ABORT, 'log holds exactly one row');
END;

-- A key that the channel has already: the insert does nothing, whatever its conflict clause.
-- The WHEN lets the usual event, which has no key and is not too long, pass at once.
CREATE TRIGGER events_insert BEFORE INSERT ON events
WHEN NEW.key IS NOT NULL OR length(CAST(NEW.data AS BLOB)) > (SELECT max_event_size FROM log)
BEGIN
  SELECT RAISE(IGNORE)
  WHERE NEW.key IS NOT NULL
    AND EXISTS (SELECT 1 FROM events WHERE channel = NEW.channel AND key = NEW.key);
  SELECT RAISE(ABORT, 'data is longer than max_event_size of this log')
  WHERE length(CAST(NEW.data AS BLOB)) > (SELECT max_event_size FROM log);
END;

-- Within a statement sqlite_sequence still holds the value from before it: automatic ids pass, and
-- an id that was given before never comes again, INSERT OR REPLACE included. max(id) keeps the rows
-- of one statement in order.
CREATE TRIGGER events_inserted AFTER INSERT ON events
WHEN NEW.id <= ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)
  OR NEW.id < (SELECT max(id) FROM events)
BEGIN
  SELECT RAISE(ABORT, 'id must be above every older id; leave it out');
END;

CREATE TRIGGER events_update BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'events are append-only');
END;

-- Whoever deletes, readers can tell their clients exactly what was lost. What had expired is no loss.
CREATE TRIGGER events_deleted AFTER DELETE ON events
WHEN OLD.expires_at IS NULL
  OR OLD.expires_at > CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
BEGIN
  UPDATE log SET pruned = OLD.id WHERE pruned < OLD.id;
END;

-- The public way in. Reading it gives no rows: what it takes is not always what is kept.
CREATE VIEW publish (channel, type, data, key, ttl) AS
SELECT NULL, NULL, NULL, NULL, NULL WHERE 0;

-- ttl is seconds, whole or not. Some drivers bind every value as text: the comparison with a
-- NUMERIC turns text that is a number, and only such text, into that number.
CREATE TRIGGER publish_insert INSTEAD OF INSERT ON publish
BEGIN
  SELECT RAISE(ABORT, 'ttl must be a number of seconds above 0 and at most 100 years')
  WHERE NEW.ttl IS NOT NULL
    AND NOT (NEW.ttl = CAST(NEW.ttl AS NUMERIC)
      AND CAST(NEW.ttl AS NUMERIC) > 0 AND CAST(NEW.ttl AS NUMERIC) <= 3155760000);
  INSERT INTO events (channel, type, data, key, expires_at)
  VALUES (NEW.channel, ifnull(NEW.type, 'message'), NEW.data, NEW.key,
    CASE WHEN NEW.ttl IS NOT NULL THEN
      CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
        + max(1, CAST(round(NEW.ttl * 1000.0) AS INTEGER))
    END);
END;

-- Sessions that were ended: by token (jti), or all of a user (sub) that were issued until `at`.
CREATE TABLE revocations (
  id INTEGER PRIMARY KEY AUTOINCREMENT
    CONSTRAINT "id must be from 1 to 9007199254740991"
      CHECK (id BETWEEN 1 AND 9007199254740991),
  jti TEXT
    CONSTRAINT "jti must be text of 1 to 128 bytes without NUL"
      CHECK (jti IS NULL OR typeof(jti) = 'text'
        AND length(CAST(jti AS BLOB)) BETWEEN 1 AND 128
        AND instr(CAST(jti AS BLOB), x'00') = 0),
  sub TEXT
    CONSTRAINT "sub must be text of 1 to 128 bytes without NUL"
      CHECK (sub IS NULL OR typeof(sub) = 'text'
        AND length(CAST(sub AS BLOB)) BETWEEN 1 AND 128
        AND instr(CAST(sub AS BLOB), x'00') = 0),
  at INTEGER NOT NULL
    DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
    CONSTRAINT "at must be milliseconds since 1970"
      CHECK (typeof(at) = 'integer' AND at BETWEEN 0 AND 253402300799999),
  expires_at INTEGER NOT NULL
    DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) + 7776000000)
    CONSTRAINT "expires_at must be milliseconds since 1970"
      CHECK (typeof(expires_at) = 'integer' AND expires_at BETWEEN 0 AND 253402300799999),
  CONSTRAINT "expires_at must be after at" CHECK (expires_at > at),
  CONSTRAINT "a revocation names either a jti or a sub" CHECK ((jti IS NULL) <> (sub IS NULL))
);

CREATE INDEX revocations_jti ON revocations (jti) WHERE jti IS NOT NULL;
CREATE INDEX revocations_sub ON revocations (sub) WHERE sub IS NOT NULL;
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Responders read the new ones by id, so an id below an older one would never be seen.
CREATE TRIGGER revocations_inserted AFTER INSERT ON revocations
WHEN NEW.id <= ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'revocations'), 0)
  OR NEW.id < (SELECT max(id) FROM revocations)
BEGIN
  SELECT RAISE(ABORT, 'id must be above every older id; leave it out');
END;

CREATE TRIGGER revocations_update BEFORE UPDATE ON revocations
BEGIN
  SELECT RAISE(ABORT, 'revocations are append-only');
END;
