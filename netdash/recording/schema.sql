-- The tables of a netdash recording: an SQLite 3 file in WAL mode, schema version 1.
--
-- Two halves. The frames hold every snapshot whole and exactly, for netdash alone (netdash/recording/frames.py says how).
-- The plain tables hold sums that any SQLite client can ask, also while the file is being written:
--
--   sqlite3 -readonly FILE "select * from flows where remote = '203.0.113.9'
--                            and last > '2026-11-22 02:00' and first < '2026-11-22 03:00'"
--
-- Ask the views (interfaces, processes, remotes, flows): they have names, and local time as text. The tables below them
-- have numbers, and seconds since the epoch, for programs.
--
-- rx = received by this host, tx = sent. *_bytes and *_packets are wire bytes and packets (link-layer frames), *_payload
-- is what the applications moved. NULL = not known, 0 = none. An interval belongs to the minute in which it ends.
-- Sums of hours, for long times, are in the tables of hours.sql beside this file.

-- schema_version; netdash (version that made the file); layout of run N (a copy, for files that are cut)
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One recording from its start to its end; a file that is continued has several.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,               -- /proc/sys/kernel/random/boot_id
    time_zone TEXT NOT NULL,             -- IANA name or abbreviation
    utc_offset INTEGER NOT NULL,         -- seconds east of UTC at the start
    netdash TEXT NOT NULL,               -- version
    interval REAL NOT NULL,              -- seconds asked for
    interfaces TEXT NOT NULL,            -- patterns of the command line, by spaces; empty = all
    flows_layer TEXT NOT NULL,           -- ebpf, ring, sockets: where flows came from at the start
    processes_layer TEXT NOT NULL,       -- exact, hooks, scan, own, none
    layout TEXT NOT NULL,                -- JSON: the columns of the long tables in the frames
    started REAL NOT NULL,
    ended REAL,                          -- NULL while it is written, and after a crash
    summed INTEGER NOT NULL DEFAULT 0,   -- last moment whose figures are in the plain tables
    closing TEXT                         -- the line that was printed at the end
);

-- At the end of a run: the kernel's own counters beside what was recorded.
CREATE TABLE run_interface (
    run INTEGER NOT NULL REFERENCES run,
    interface TEXT NOT NULL,
    kernel_rx_bytes INTEGER NOT NULL,    -- difference of the interface's counter over the run
    kernel_tx_bytes INTEGER NOT NULL,
    recorded_rx_bytes INTEGER NOT NULL,  -- sum of the intervals
    recorded_tx_bytes INTEGER NOT NULL,
    counted_bytes INTEGER,               -- both directions, of the packets counted for flows, as `accounting` has it
    PRIMARY KEY (run, interface)
) WITHOUT ROWID;

-- One interval. `id` goes up by one in order of recording; `time` may not, when the clock was set.
CREATE TABLE moment (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run,
    key INTEGER NOT NULL,                -- the moment whose frame is whole; those after it hold changes
    time REAL NOT NULL,                  -- the interval's end
    monotonic_ns INTEGER NOT NULL,       -- CLOCK_MONOTONIC then; begins anew with every boot
    interval REAL NOT NULL,              -- seconds; 0 = baseline: names and states, no figures
    rx_bytes INTEGER,                    -- headline total: of the physical interfaces
    tx_bytes INTEGER,
    bytes INTEGER NOT NULL,              -- size of its frame
    last_flow INTEGER                    -- where the frame is whole: the last row of `flow` before it; no clock says so
);
-- The moments of a key frame's group; also what keeps the oldest of them quick to find.
CREATE INDEX moment_key ON moment (key);

CREATE TABLE frame (
    id INTEGER PRIMARY KEY,              -- of the moment
    data BLOB NOT NULL,
    sockets BLOB                         -- NULL: not kept in this interval (they are in at least every 30th)
);

-- Processes that a row of another table names. 0 = none known, or the sum of many.
CREATE TABLE process (
    id INTEGER PRIMARY KEY,
    pid INTEGER,
    start_ticks INTEGER,                 -- with the pid it names a process for good, until the next boot
    started REAL,
    name TEXT NOT NULL,
    command TEXT NOT NULL,
    user TEXT NOT NULL,
    unit TEXT,                           -- of systemd
    container TEXT
);
INSERT INTO process (id, name, command, user) VALUES (0, '', '', '');

CREATE TABLE interface_minute (
    minute INTEGER NOT NULL,             -- its begin
    interface TEXT NOT NULL,
    kind TEXT NOT NULL,
    headline INTEGER NOT NULL,           -- 1: part of the total that counts each transfer once
    seconds REAL NOT NULL,               -- recorded in this minute, which may be less than 60 or (long intervals) more
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_packets INTEGER, tx_packets INTEGER,
    rx_errors INTEGER, tx_errors INTEGER,
    rx_dropped INTEGER, tx_dropped INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,    -- highest rate of an interval, bytes per second
    rx_multicast INTEGER,                -- packets
    speed_bps INTEGER,                   -- of the link, bits per second, when last seen
    PRIMARY KEY (minute, interface)
) WITHOUT ROWID;

-- The busiest 100 processes of each minute, and the sum of the others as process 0.
CREATE TABLE process_minute (
    minute INTEGER NOT NULL,
    process INTEGER NOT NULL REFERENCES process,
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    rx_peak INTEGER, tx_peak INTEGER,    -- highest rate of an interval, bytes per second, payload where wire is NULL
    connections INTEGER NOT NULL,        -- most at a time
    PRIMARY KEY (minute, process)
) WITHOUT ROWID;

-- Who talked to whom: the busiest 200 conversations of each minute, and the sum of the others with an empty address.
-- A connection stands once for each interface that it crosses (bridge and port, VLAN and its parent).
CREATE TABLE remote_minute (
    minute INTEGER NOT NULL,
    interface TEXT NOT NULL,
    protocol TEXT NOT NULL,              -- tcp, udp, icmp, …, or the EtherType's name
    remote TEXT NOT NULL,                -- IP address; empty where the frame is not IP
    port INTEGER NOT NULL,               -- of the service: the local one where somebody listens there, else the remote
    direction TEXT NOT NULL,             -- in: a local service was used; out: a remote one;
                                         -- forwarded: neither end is here; empty: without ports
    process INTEGER NOT NULL REFERENCES process,
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_packets INTEGER, tx_packets INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    flows INTEGER NOT NULL,              -- connections that moved something
    PRIMARY KEY (minute, interface, protocol, remote, port, direction, process)
) WITHOUT ROWID;

-- Each connection on each interface, one row for every hour that it lived in (more where the recording began anew); open
-- ones are brought up to date once a minute. The busiest 20,000 of a minute; the others are in one row an interface, with `merged` > 1.
CREATE TABLE flow (
    id INTEGER PRIMARY KEY,
    first REAL NOT NULL,                 -- begin of the first interval with traffic (in this hour)
    last REAL NOT NULL,                  -- end of the last one so far
    interface TEXT NOT NULL,
    vlan INTEGER,                        -- 802.1Q id; NULL = untagged
    protocol TEXT NOT NULL,
    local TEXT NOT NULL,                 -- IP address; empty where the frame is not IP
    local_port INTEGER,
    remote TEXT NOT NULL,
    remote_port INTEGER,
    process INTEGER NOT NULL REFERENCES process,
    attribution TEXT NOT NULL,           -- exact, socket, listener, forwarded, kernel, none: how the process is known
    rx_bytes INTEGER, tx_bytes INTEGER,
    rx_packets INTEGER, tx_packets INTEGER,
    rx_payload INTEGER, tx_payload INTEGER,
    rtt_us INTEGER,                      -- when last seen
    retransmits INTEGER,                 -- of the connection so far
    merged INTEGER NOT NULL
);

CREATE VIEW interfaces AS
SELECT datetime(minute, 'unixepoch', 'localtime') AS time, interface, kind,
    round(rx_bytes / seconds) AS rx_bytes_per_second, round(tx_bytes / seconds) AS tx_bytes_per_second,
    rx_peak, tx_peak, rx_bytes, tx_bytes, rx_packets, tx_packets,
    rx_errors, tx_errors, rx_dropped, tx_dropped, rx_multicast, speed_bps, minute
FROM interface_minute;

CREATE VIEW processes AS
SELECT datetime(minute, 'unixepoch', 'localtime') AS time, pid, name, user, unit, container, command,
    rx_bytes, tx_bytes, rx_payload, tx_payload, rx_peak, tx_peak, connections,
    datetime(p.started, 'unixepoch', 'localtime') AS started, minute
FROM process_minute m JOIN process p ON p.id = m.process;

CREATE VIEW remotes AS
SELECT datetime(minute, 'unixepoch', 'localtime') AS time, interface, protocol, remote, port, direction,
    pid, name AS process, user, unit, container, rx_bytes, tx_bytes, rx_packets, tx_packets, rx_payload, tx_payload,
    flows, minute
FROM remote_minute m JOIN process p ON p.id = m.process;

CREATE VIEW flows AS
SELECT datetime(first, 'unixepoch', 'localtime') AS first, datetime(last, 'unixepoch', 'localtime') AS last,
    interface, vlan, protocol, local, local_port, remote, remote_port,
    pid, name AS process, user, unit, container, command, attribution,
    rx_bytes, tx_bytes, rx_packets, tx_packets, rx_payload, tx_payload, rtt_us, retransmits, merged
FROM flow f JOIN process p ON p.id = f.process;
