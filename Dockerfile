# The service with Redis, PostgreSQL, DuckDB and SQLite: docs/containers.md
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /app
WORKDIR /src
# Before the sources, so that a change of them does not install everything anew.
COPY requirements-service.lock ./
RUN /app/bin/python -m pip install --require-hashes --only-binary :all: -r requirements-service.lock
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY src ./src
# pip itself is not needed to run.
RUN /app/bin/python -m pip install --no-deps . && /app/bin/python -m pip uninstall --yes pip setuptools


# Everything that `make test` runs: docker compose run --build test
FROM python:3.11-bookworm AS test
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/app/bin:$PATH
RUN python -m venv /app && useradd --uid 10001 --create-home headrace
WORKDIR /src
COPY requirements.lock ./
RUN /app/bin/python -m pip install --require-hashes -r requirements.lock
COPY --chown=10001 . .
RUN /app/bin/python -m pip install --no-deps --no-build-isolation -e . && chown 10001 /src
USER 10001
CMD ["python", "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-m", "not crash and not cloud and not service and not browser"]


FROM python:3.11-slim-bookworm AS service
LABEL org.opencontainers.image.title="Headrace" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin headrace
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 HEADRACE_STATE=/data/.headrace
# Databases that are files, and the state, lie here.
WORKDIR /data
VOLUME /data
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4).close()"]
# It listens beyond itself, so it asks for keys, and prints the first one once.
CMD ["headrace", "serve", "--host", "0.0.0.0", "--port", "8000"]
