# One image for all workers; `docker compose` runs a container for each.
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md ./
COPY contracts contracts
COPY schemas schemas
COPY workers workers
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
COPY requirements.lock /tmp/
RUN pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock
RUN --mount=from=build,source=/wheel,target=/wheel pip install --no-cache-dir --no-deps /wheel/*.whl \
    && useradd --system standing
USER standing
ENTRYPOINT ["standing"]
CMD ["work"]
