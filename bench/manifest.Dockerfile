# The peer of `airbyte-ci build` for a manifest-only connector: what a careful person writes once for all of them.
# Arguments: BASE, the framework's base image by digest; NAME and VERSION, the connector's.
ARG BASE
FROM ${BASE}
WORKDIR /airbyte/integration_code
COPY --chown=1000:1000 manifest.yaml components.p[y] ./source_declarative_manifest/
ENV AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
ARG NAME
ARG VERSION
LABEL io.airbyte.name=${NAME} io.airbyte.version=${VERSION}
