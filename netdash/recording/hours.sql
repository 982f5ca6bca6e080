-- Sums of hours, for reports over a long time; a part of schema.sql, in a file of its own because recordings that were
-- begun before there were such sums get these tables when they are continued.
--
-- An hour is here when it is over or the recording has ended, and then whole: its sums are those of its minutes. They
-- stay when the minutes have to go to keep the file small. Hours are those of UTC. Each table is in order of names, not
-- of time: the sum of a name over a year is one look without sorting.
--
-- *_bytes, *_packets, *_payload: NULL = a part is not known (of an interface: nothing is). rx_peak, tx_peak: bytes per
-- second; of interfaces and programs the highest rate of an interval (a program: of one process, or of all in a minute),
-- of the others the highest mean of a minute. Beyond the busiest 100 of an hour (of ports: 50), the others are summed in
-- a row without a name. Sums beyond 2^53 are rounded to 53 bits.

CREATE TABLE IF NOT EXISTS hour (
    hour INTEGER PRIMARY KEY,            -- its begin
    seconds REAL NOT NULL                -- recorded in this hour
);

CREATE TABLE IF NOT EXISTS interface_hour (
    interface TEXT NOT NULL,
    hour INTEGER NOT NULL,
    kind TEXT NOT NULL,
    headline INTEGER NOT NULL,           -- 1: in a minute at least
    seconds REAL NOT NULL,               -- for which this interface was recorded
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_packets INTEGER, tx_packets INTEGER,
    rx_errors INTEGER, tx_errors INTEGER,
    rx_dropped INTEGER, tx_dropped INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,
    rx_multicast INTEGER,                -- packets
    speed_bps INTEGER,                   -- of the link, bits per second; NULL where it changed
    PRIMARY KEY (interface, hour)
) WITHOUT ROWID;

-- Processes of one name, user, unit and container.
CREATE TABLE IF NOT EXISTS program_hour (
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    unit TEXT NOT NULL,                  -- empty = none
    container TEXT NOT NULL,             -- empty = none
    hour INTEGER NOT NULL,
    process INTEGER,                     -- NULL = several
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,
    PRIMARY KEY (name, user, unit, container, hour)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS user_hour (
    user TEXT NOT NULL,
    hour INTEGER NOT NULL,
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,
    PRIMARY KEY (user, hour)
) WITHOUT ROWID;

-- Remote hosts and ports: of the interfaces with `headline` alone, so that a connection counts once.
CREATE TABLE IF NOT EXISTS remote_hour (
    remote TEXT NOT NULL,
    hour INTEGER NOT NULL,
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,
    PRIMARY KEY (remote, hour)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS port_hour (
    protocol TEXT NOT NULL,
    port INTEGER NOT NULL,
    direction TEXT NOT NULL,             -- as in remote_minute
    hour INTEGER NOT NULL,
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,
    PRIMARY KEY (protocol, port, direction, hour)
) WITHOUT ROWID;
