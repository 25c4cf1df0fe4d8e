# Another time zone.
# different: image environment, process environment, time zone
ARG IMAGE
FROM ${IMAGE}
ENV TZ=CET-1
