"""Faults on purpose: a wire that cuts, stalls and half-closes, and servers of a test's own that are killed.

`Wire` stands between clients and any TCP (or Unix socket) server, PostgreSQL's and Redis's alike:

    with Wire(("127.0.0.1", 5432)) as wire:            # clients connect to 127.0.0.1:wire.port
        fault = wire.arm(Act.CUT, b"COMMIT", after=b"COPY ")
        ...
        fault.await_done()

`Cluster` is a PostgreSQL of a test module's own; `faultkit.rig` holds a job whose workers live in the test's process.
"""

from faultkit.cluster import PASSWORD, Cluster
from faultkit.wire import Act, Fault, Way, Wire

__all__ = ["PASSWORD", "Act", "Cluster", "Fault", "Way", "Wire"]
