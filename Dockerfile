# The workers, as one image; `docker compose` runs one container for each.
FROM python:3.12-slim
WORKDIR /standing
COPY requirements.lock pyproject.toml README.md ./
COPY contracts contracts
COPY schemas schemas
COPY workers workers
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
    && pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && useradd --system standing
USER standing
ENTRYPOINT ["standing"]
CMD ["work"]
