# One image for worker, controller, Flower and producer.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PATH=/opt/pgconvoy/bin:$PATH

# A virtual environment of its own, apart from what the base image's system packages brought.
RUN python3 -m venv /opt/pgconvoy \
 && useradd --uid 10001 --gid 0 --no-create-home --home-dir /tmp pgconvoy \
 && mkdir /snapshots /flower \
 && chown 10001:0 /snapshots /flower \
 && chmod 2770 /snapshots /flower

WORKDIR /app

# What changes seldom comes first: the dependencies alone, at the versions of constraints.txt.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > dependencies.txt \
 && pip install --constraint constraints.txt --requirement dependencies.txt

COPY README.md LICENSE ./
COPY shared shared
COPY workers workers
COPY producer producer
RUN pip install --no-deps . && rm -rf /app/*

# Group 0 may write where the user may, so another user id (CONTAINER_UID in docker-compose.yml) works as well.
USER 10001:0
ENV HOME=/tmp \
    PGCONVOY_HOME=/tmp/pgconvoy \
    PGCONVOY_SNAPSHOT_DIR=/snapshots

CMD ["producer", "--help"]
