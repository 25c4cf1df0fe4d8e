# Another signal to stop.
# different: exit on SIGTERM, stop signal
ARG IMAGE
FROM ${IMAGE}
STOPSIGNAL SIGKILL
