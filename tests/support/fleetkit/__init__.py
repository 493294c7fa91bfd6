"""Real servers and real Celery workers for tests: started, stopped and killed on purpose."""

from fleetkit.points import Points
from fleetkit.postgres import TestPostgres
from fleetkit.processes import await_true
from fleetkit.redis_server import RedisServer
from fleetkit.worker import RunningWorker, start_worker

__all__ = ["Points", "RedisServer", "RunningWorker", "TestPostgres", "await_true", "start_worker"]
