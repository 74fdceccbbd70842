# Demyelin: everything is baked in, nothing is fetched at run time; any user id, read-only root, no network.
#   docker build -t demyelin .                               with a connectome: connectome/README.md, connectome/NOTICE
#   docker build -t demyelin --build-arg CONNECTOME=none .   without
FROM debian:bookworm-slim AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv python3-dev gcc g++ \
 && rm -rf /var/lib/apt/lists/*
# hadolint ignore=DL3013
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv
ENV PATH="/opt/demyelin/bin:/opt/uv/bin:${PATH}"
# compiled here: the image is read-only, and every process of a visit would compile its libraries again
ENV UV_COMPILE_BYTECODE=1
WORKDIR /src
# first what Demyelin needs, which changes less often than Demyelin itself
COPY pyproject.toml constraints.txt ./
RUN uv venv /opt/demyelin --python /usr/bin/python3 \
 && uv pip install --no-cache --python /opt/demyelin/bin/python -c constraints.txt \
      --extra pyradiomics --extra dask -r pyproject.toml
COPY README.md LICENSE ./
COPY bids_app bids_app
COPY demyelin demyelin
RUN uv build --wheel --out-dir /dist \
 && uv pip install --no-cache --no-deps --python /opt/demyelin/bin/python /dist/*.whl \
 && uv tool run --no-cache --from cyclonedx-bom==7.5.0 \
      cyclonedx-py environment /opt/demyelin/bin/python --output-reproducible -o /opt/demyelin/sbom.cdx.json \
 && find /opt/demyelin -name tests -type d -path '*site-packages*' -prune -exec rm -rf {} + \
 && NUMBA_CACHE_DIR=/opt/demyelin/numba /opt/demyelin/bin/python -m bids_app.features.radiomics.warmup
ARG CONNECTOME=hcp1065
COPY connectome connectome
RUN connectome/bake.sh "${CONNECTOME}" /opt/demyelin/connectome

FROM debian:bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Demyelin" \
      org.opencontainers.image.description="BIDS App for multiple sclerosis and its mimics" \
      org.opencontainers.image.authors="The Demyelin developers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 demyelin
COPY --from=build /opt/demyelin /opt/demyelin
ENV PATH="/opt/demyelin/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    DEMYELIN_CONNECTOME="/opt/demyelin/connectome" \
    DEMYELIN_CONTAINER="demyelin:${VERSION}"
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT ["demyelin"]
