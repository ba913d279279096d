# Builds the operator's image: docker build -t hybridge:0.1.0 .
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --no-install-project --python-preference only-system
COPY operator operator
RUN uv sync --frozen --no-dev --no-editable --python-preference only-system

FROM python:3.13-slim
COPY --from=build /src/.venv /src/.venv
USER 65532:65532
ENTRYPOINT ["/src/.venv/bin/hybridge"]
CMD ["run"]
