# A volume.
# different: volumes, writable paths
ARG IMAGE
FROM ${IMAGE}
VOLUME /data
