"""What Redis hands out first."""

from __future__ import annotations

from celery import Celery
from fleetkit import RedisServer
from kombu import Queue
from pydantic import SecretStr

from shared.broker import Broker, celery_settings
from shared.messages import BUILD_INDEX, VERIFY_CHUNK, VERIFY_QUEUE
from shared.settings import Settings


def test_a_build_does_not_wait_for_comparisons_that_were_sent_before_it(redis_server: RedisServer) -> None:
    """They come by the thousand; each of them is counted as waiting, whatever its place."""
    settings = Settings(
        target_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"), broker_url=SecretStr(redis_server.url)
    )
    app = Celery("order", set_as_current=False)
    app.conf.update(celery_settings(settings))
    broker = Broker(settings, app)
    broker.send_comparisons(1, (11, 12))
    broker.send_builds((1,))
    assert broker.waiting() == 3
    with app.connection_for_read() as connection, connection.channel() as channel:
        queue = Queue(VERIFY_QUEUE)(channel)
        found = [queue.get(no_ack=True) for _ in range(3)]
    tasks = [message.headers["task"] for message in found if message is not None]
    assert tasks == [BUILD_INDEX, VERIFY_CHUNK, VERIFY_CHUNK]
