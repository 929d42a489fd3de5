# Stands in for the official image of Rust. The context holds this machine's toolchain.
FROM regrow-standin/debian
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev musl-tools \
    && rm -rf /var/lib/apt/lists/*
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY bin /usr/local/bin
COPY lib /usr/local/lib
