"""What the project holds itself to: ratios in one run on one machine, and a few absolute bounds."""

from __future__ import annotations

COPY_TO_BARE_COPY = 1.3
"""Copying (first chunk claimed to last chunk committed, primary key built) against bare binary COPY of prepared files
in as many streams into the same table, primary key built after."""
COPY_TO_DUCKDB = 0.6
"""The same against DuckDB's INSERT … SELECT through its PostgreSQL extension into the same typed table."""
JOB_TO_PGLOADER = 0.5
"""The whole verified job, command start to prompt, against pgloader's unverified load."""
VERIFY_TO_COPY = 0.8
"""Comparing every value, against copying."""
AGAIN_UNCHANGED = 1.2
"""Copying into tables that hold the same rows already, against copying into new ones."""
AGAIN_CHANGED = 6.0
"""The same where every row differs."""
PLANNING_S = 0.5
"""Cutting 4,000,000 rows into chunks."""
PLANNING_MB = 5.0
"""What "flat" means of planning's memory: whatever the number of rows and chunks, it differs by so much at most."""
MANY_TABLES_S = 20.0
"""500 tables of 100 rows, whole and verified."""
EMPTY_CHUNK_MS = 15.0
"""A chunk's overhead, message to ledger: with 2 workers one ends every so many milliseconds."""
WORKER_MB = 400.0
"""A worker process's memory, or twice the widest row where that is more."""
DIRTY_TO_CLEAN = 1.3
"""Copying a table with 0.01 % of values that need the careful path, against the clean one."""
