# A volume.
# different: volumes
ARG IMAGE
FROM ${IMAGE}
VOLUME /data
