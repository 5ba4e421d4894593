# The peer of `airbyte-ci build`: what a careful person writes for a connector whose lock was exported to
# requirements.txt with hashes. Built with BuildKit; cache mounts are kept between builds, so wheels are downloaded once.
# Only what was installed is copied: neither uv nor what the base has already is in the image a second time.
# Arguments: BASE, the base image by digest; PACKAGE, the folder of the connector's code.
ARG BASE
FROM ${BASE} AS builder
# The certificates are those of the machine, for indexes behind a company's own authority.
RUN --mount=type=cache,target=/root/.cache --mount=type=secret,id=certificates,target=/run/certificates.pem \
    PIP_CERT=/run/certificates.pem pip install --target /uv uv
WORKDIR /deps
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache --mount=type=secret,id=certificates,target=/run/certificates.pem \
    SSL_CERT_FILE=/run/certificates.pem \
    /uv/bin/uv pip install --python /usr/local/bin/python --prefix /install --compile-bytecode --no-deps \
    --require-hashes -r requirements.txt

FROM ${BASE}
ARG PACKAGE
COPY --from=builder /install /usr/local
WORKDIR /airbyte/integration_code
COPY main.py ./
COPY ${PACKAGE} ./${PACKAGE}
ENV AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
