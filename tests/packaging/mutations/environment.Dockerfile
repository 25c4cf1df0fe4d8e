# One more variable.
# different: image environment, process environment
ARG IMAGE
FROM ${IMAGE}
ENV DEBUG=1
