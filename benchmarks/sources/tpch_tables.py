"""TPC-H in SQLite: eight tables with keys, composite ones too, references, indexes, dates and money.

The rows come from tpchgen-cli (of the extra ``bench``), which makes them offline and the same for a scale; scale 1 is
8.7 million rows. Money is declared DECIMAL(15,2) and days DATE, as the benchmark's specification has them; texts
arrive as they are and SQLite's affinities make numbers of those that are.

    python -m benchmarks.sources.tpch_tables tpch.sqlite --scale 0.01
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.sources.making import made_once, places

_TABLES = {
    "region": """
        r_regionkey INTEGER PRIMARY KEY, r_name CHAR(25) NOT NULL, r_comment VARCHAR(152)""",
    "nation": """
        n_nationkey INTEGER PRIMARY KEY, n_name CHAR(25) NOT NULL,
        n_regionkey INTEGER NOT NULL REFERENCES region (r_regionkey), n_comment VARCHAR(152)""",
    "part": """
        p_partkey INTEGER PRIMARY KEY, p_name VARCHAR(55) NOT NULL, p_mfgr CHAR(25) NOT NULL, p_brand CHAR(10) NOT NULL,
        p_type VARCHAR(25) NOT NULL, p_size INTEGER NOT NULL, p_container CHAR(10) NOT NULL,
        p_retailprice DECIMAL(15,2) NOT NULL, p_comment VARCHAR(23) NOT NULL""",
    "supplier": """
        s_suppkey INTEGER PRIMARY KEY, s_name CHAR(25) NOT NULL, s_address VARCHAR(40) NOT NULL,
        s_nationkey INTEGER NOT NULL REFERENCES nation (n_nationkey), s_phone CHAR(15) NOT NULL,
        s_acctbal DECIMAL(15,2) NOT NULL, s_comment VARCHAR(101) NOT NULL""",
    "partsupp": """
        ps_partkey INTEGER NOT NULL REFERENCES part (p_partkey),
        ps_suppkey INTEGER NOT NULL REFERENCES supplier (s_suppkey), ps_availqty INTEGER NOT NULL,
        ps_supplycost DECIMAL(15,2) NOT NULL, ps_comment VARCHAR(199) NOT NULL,
        PRIMARY KEY (ps_partkey, ps_suppkey)""",
    "customer": """
        c_custkey INTEGER PRIMARY KEY, c_name VARCHAR(25) NOT NULL, c_address VARCHAR(40) NOT NULL,
        c_nationkey INTEGER NOT NULL REFERENCES nation (n_nationkey), c_phone CHAR(15) NOT NULL,
        c_acctbal DECIMAL(15,2) NOT NULL, c_mktsegment CHAR(10) NOT NULL, c_comment VARCHAR(117) NOT NULL""",
    "orders": """
        o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER NOT NULL REFERENCES customer (c_custkey),
        o_orderstatus CHAR(1) NOT NULL, o_totalprice DECIMAL(15,2) NOT NULL, o_orderdate DATE NOT NULL,
        o_orderpriority CHAR(15) NOT NULL, o_clerk CHAR(15) NOT NULL, o_shippriority INTEGER NOT NULL,
        o_comment VARCHAR(79) NOT NULL""",
    "lineitem": """
        l_orderkey INTEGER NOT NULL REFERENCES orders (o_orderkey), l_partkey INTEGER NOT NULL,
        l_suppkey INTEGER NOT NULL, l_linenumber INTEGER NOT NULL, l_quantity DECIMAL(15,2) NOT NULL,
        l_extendedprice DECIMAL(15,2) NOT NULL, l_discount DECIMAL(15,2) NOT NULL, l_tax DECIMAL(15,2) NOT NULL,
        l_returnflag CHAR(1) NOT NULL, l_linestatus CHAR(1) NOT NULL, l_shipdate DATE NOT NULL,
        l_commitdate DATE NOT NULL, l_receiptdate DATE NOT NULL, l_shipinstruct CHAR(25) NOT NULL,
        l_shipmode CHAR(10) NOT NULL, l_comment VARCHAR(44) NOT NULL,
        PRIMARY KEY (l_orderkey, l_linenumber),
        FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp (ps_partkey, ps_suppkey)""",
}
_INDEXES = (
    "CREATE INDEX partsupp_suppkey ON partsupp (ps_suppkey)",
    "CREATE INDEX customer_nationkey ON customer (c_nationkey)",
    "CREATE INDEX orders_custkey ON orders (o_custkey)",
    "CREATE INDEX orders_orderdate ON orders (o_orderdate)",
    "CREATE INDEX lineitem_partsupp ON lineitem (l_partkey, l_suppkey)",
    "CREATE INDEX lineitem_shipdate ON lineitem (l_shipdate)",
)
TABLES = tuple(_TABLES)


class NoGeneratorError(Exception):
    """tpchgen-cli is not installed."""


def make_tpch(path: Path, *, scale: float) -> Path:
    """Write the tables to `path`, unless they are there already.

    Raises:
        NoGeneratorError: where tpchgen-cli is missing; says how to install it.
    """
    with tempfile.TemporaryDirectory(dir=_folder(path), prefix="tpch-") as folder:

        def fill(connection: sqlite3.Connection) -> None:
            _generate(Path(folder), scale)
            for table, columns in _TABLES.items():
                connection.execute(f"CREATE TABLE {table} ({columns})")
                _load(connection, table, Path(folder) / f"{table}.csv")
            for statement in _INDEXES:
                connection.execute(statement)

        return made_once(path, f"{scale:g}".replace(".", "_"), fill)


def _folder(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


def _generate(folder: Path, scale: float) -> None:
    program = shutil.which("tpchgen-cli", path=str(Path(sys.executable).parent)) or shutil.which("tpchgen-cli")
    if program is None:
        msg = "tpchgen-cli is not installed: pip install 'pgconvoy[bench]'"
        raise NoGeneratorError(msg)
    subprocess.run([program, "csv", "-s", f"{scale:g}", "--output-dir", str(folder), "--quiet"], check=True)


def _load(connection: sqlite3.Connection, table: str, rows: Path) -> None:
    with rows.open(newline="") as file:
        lines: Iterator[list[str]] = csv.reader(file)
        header = next(lines)
        connection.executemany(f"INSERT INTO {table} VALUES ({places(len(header))})", lines)
    rows.unlink()


def main() -> None:
    """Write the tables where the command line says."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("path", type=Path)
    arguments.add_argument("--scale", type=float, default=1.0)
    options = arguments.parse_args()
    make_tpch(options.path, scale=options.scale)


if __name__ == "__main__":
    main()
