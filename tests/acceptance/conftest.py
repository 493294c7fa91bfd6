"""The system as an operator has it: a target, a broker, real workers, and the `producer` command."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleetkit import Points, RedisServer
from producerkit import Producer


@pytest.fixture
def environment(target_url: str, redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    """The settings that the test's producer and workers share."""
    return {
        "PGCONVOY_TARGET_URL": target_url,
        "PGCONVOY_BROKER_URL": redis_server.url,
        "PGCONVOY_RESULT_URL": redis_server.result_url,
        "PGCONVOY_SNAPSHOT_DIR": str(tmp_path / "snapshots"),
        "PGCONVOY_RESCUE_GRACE_S": "1",
        "PGCONVOY_RETRY_DELAY_S": "0.2",
    }


@pytest.fixture
def producer(environment: dict[str, str], points: Points, tmp_path: Path) -> Producer:
    """The `producer` command on the test's target and broker."""
    return Producer(environment | points.environment, tmp_path)
