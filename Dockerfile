# syntax=docker/dockerfile:1
# The `pressroom` binary alone: gateway, worker and migrations are the same image under different commands (docker-compose.yml).

FROM rust:1.95-bookworm AS builder
WORKDIR /build
COPY . .
# The committed cache stands for the database that the SQL was checked against.
# The image is the toolchain: rust-toolchain.toml would fetch components that only development needs.
ENV SQLX_OFFLINE=true RUSTUP_TOOLCHAIN=1.95.0
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked -p cli --bin pressroom \
    && install -D target/release/pressroom /out/pressroom

FROM debian:bookworm-slim
# The certificates of public authorities: platforms and models are reached over TLS.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /out/pressroom /usr/local/bin/pressroom
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin pressroom
USER 10001
# A pressroom.toml that is mounted here is read; PRESSROOM__... variables win over it.
WORKDIR /etc/pressroom
ENV PRESSROOM__GATEWAY__LISTEN=0.0.0.0:8081 \
    PRESSROOM__WORKER__LISTEN=0.0.0.0:9080 \
    PRESSROOM__TELEMETRY__FORMAT=json
EXPOSE 8081 9080
STOPSIGNAL SIGTERM
# Of the gateway; compose replaces it for the worker, which speaks HTTP/2 only. bash speaks TCP, so no client has to be installed.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8081 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["pressroom"]
CMD ["gateway"]
