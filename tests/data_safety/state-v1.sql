-- A state of version 1 as it stood on disks, with something of everything in it. Never changed: newer versions must read it.
CREATE TABLE sequence (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE claim (
    key TEXT PRIMARY KEY,
    due INTEGER,
    failures INTEGER NOT NULL,
    number INTEGER,
    expires INTEGER NOT NULL,
    run_started INTEGER NOT NULL,
    interval INTEGER NOT NULL,
    slack INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE mark (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    until INTEGER,
    forgotten INTEGER
) STRICT;
CREATE TABLE sent (
    id INTEGER PRIMARY KEY,
    mark INTEGER NOT NULL REFERENCES mark (id) ON DELETE CASCADE,
    newest INTEGER NOT NULL,
    entries BLOB NOT NULL
) STRICT;
CREATE INDEX sent_mark ON sent (mark, newest);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    datakit TEXT NOT NULL,
    category TEXT NOT NULL,
    created INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    points INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_sizes ON outbox (datakit, id, points, bytes);
CREATE TABLE scope (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    class TEXT NOT NULL,
    region TEXT NOT NULL,
    UNIQUE (account, class, region)
) STRICT;
CREATE TABLE object (
    scope INTEGER NOT NULL REFERENCES scope (id),
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT;
CREATE TABLE cache (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires INTEGER NOT NULL) STRICT;
CREATE INDEX cache_expires ON cache (expires);
CREATE TABLE calls (
    day TEXT NOT NULL,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, account, action)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 0x66756e63;
PRAGMA user_version = 1;

INSERT INTO sequence VALUES ('claim', 4);
INSERT INTO claim VALUES ('key', 1795306490000000000, 0, NULL, 1795305900000000000, 1795305600000000000, 900000000000, 10000000000);
INSERT INTO mark VALUES (3, 'mark', 1795305600000000000, 1795304700000000000);
-- Time (a minute before), identity 1, fields 2: little endian, eight bytes each.
INSERT INTO sent VALUES (9, 3, 1795305540000000000, X'00a8fd6ee034ea1801000000000000000200000000000000');
INSERT INTO outbox VALUES (7, 'datakit', 'metric', 1795305600000000000, 1795305540000000000, 3, 4, CAST('body' AS BLOB));
INSERT INTO scope VALUES (2, 'aws/AK', 'aws_ec2', 'cn-north-1');
INSERT INTO object VALUES (2, 'i-1', '{"InstanceName":"业务","name":"i-1"}', 1795305600000000000);
INSERT INTO cache VALUES ('list', CAST('value' AS BLOB), 1795309200000000000);
INSERT INTO calls VALUES ('2026-11-22', 'aws/AK', 'ec2:DescribeInstances', 5);
