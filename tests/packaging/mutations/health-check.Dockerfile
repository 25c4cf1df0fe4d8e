# No health check.
# different: health check
ARG IMAGE
FROM ${IMAGE}
HEALTHCHECK NONE
