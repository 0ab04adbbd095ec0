# The service. The base may be replaced: any image with Python 3.11 or newer and its venv module will do.
ARG BASE=python:3.11-slim
FROM ${BASE} AS build
# A GPU host takes PyPI's torch, which brings CUDA. For a CPU image: --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index>.
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/dpnp
WORKDIR /src
# Dependencies first: they stay cached while the code changes.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY client client
RUN mkdir app dpnp operators \
    && touch app/__init__.py dpnp/__init__.py operators/__init__.py \
    && PIP_EXTRA_INDEX_URL="${PIP_EXTRA_INDEX_URL}" /opt/dpnp/bin/pip install -c constraints.txt . ./client \
    && rm -rf app dpnp operators build ./*.egg-info
COPY operators operators
COPY dpnp dpnp
COPY app app
RUN /opt/dpnp/bin/pip install --no-deps --force-reinstall .

FROM ${BASE}
RUN useradd --system --create-home --uid 10001 dpnp \
    && mkdir /data \
    && chown dpnp:dpnp /data
COPY --from=build /opt/dpnp /opt/dpnp
ENV PATH=/opt/dpnp/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DPNP_HOST=0.0.0.0 \
    DPNP_PORT=8000 \
    DPNP_DATA_DIR=/data
USER 10001
WORKDIR /home/dpnp
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['DPNP_PORT']}/readyz\", timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["dpnp", "serve"]
