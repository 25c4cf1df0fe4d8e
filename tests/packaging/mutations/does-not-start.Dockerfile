# A process that ends at once.
# different: ?
ARG IMAGE
FROM ${IMAGE}
ENTRYPOINT ["/usr/bin/python3", "-c", "raise SystemExit(3)"]
