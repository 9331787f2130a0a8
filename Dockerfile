# syntax=docker/dockerfile:1.7
# One image for every process of ours: workers, lake workers, `charts …`. The servers beside it are others' images.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/livecharts
WORKDIR /src
COPY requirements-image.lock ./
RUN /opt/livecharts/bin/pip install --require-hashes --only-binary :all: -r requirements-image.lock
COPY . ./
RUN /opt/livecharts/bin/pip install --no-deps --no-build-isolation --no-index . && \
    /opt/livecharts/bin/pip uninstall --yes setuptools pip

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="livecharts" \
      org.opencontainers.image.description="Live music charts computed from the stream of plays"
# The numbers are what Kubernetes is told (runAsUser, fsGroup); a new volume takes its owner from this folder.
RUN groupadd --gid 10001 charts && \
    useradd --uid 10001 --gid charts --no-create-home --home-dir /var/lib/livecharts charts && \
    install --directory --owner charts --group charts /var/lib/livecharts
COPY --from=build /opt/livecharts /opt/livecharts
ENV PATH=/opt/livecharts/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CHARTS_DATA_DIR=/var/lib/livecharts \
    CHARTS_LOG_FORMAT=json \
    CHARTS_WEB_HOST=0.0.0.0 \
    NUMBA_CACHE_DIR=/var/lib/livecharts/compiled
WORKDIR /var/lib/livecharts
USER 10001:10001
EXPOSE 6066
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:6066/health', timeout=4)"]
CMD ["faust", "-q", "-A", "faust_app", "worker"]
