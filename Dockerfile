# Demyelin: everything is baked in, nothing is fetched at run time; any user id, read-only root, no network.
FROM debian:bookworm-slim AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv python3-dev gcc g++ \
 && rm -rf /var/lib/apt/lists/*
# hadolint ignore=DL3013
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bids_app bids_app
RUN /opt/uv/bin/uv build --wheel --out-dir /dist \
 && /opt/uv/bin/uv venv /opt/demyelin --python /usr/bin/python3 \
 && wheel=$(echo /dist/*.whl) \
 && /opt/uv/bin/uv pip install --no-cache --python /opt/demyelin/bin/python -c constraints.txt "${wheel}[pyradiomics]" \
 && find /opt/demyelin -name tests -type d -path '*site-packages*' -prune -exec rm -rf {} + \
 && NUMBA_CACHE_DIR=/opt/demyelin/numba /opt/demyelin/bin/python -m bids_app.features.radiomics.warmup

FROM debian:bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Demyelin" \
      org.opencontainers.image.description="BIDS App for multiple sclerosis and its mimics" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 demyelin
COPY --from=build /opt/demyelin /opt/demyelin
ENV PATH="/opt/demyelin/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    DEMYELIN_CONTAINER="demyelin:${VERSION}"
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["demyelin"]
