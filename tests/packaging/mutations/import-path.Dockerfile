# Another import path.
# different: image environment, import path, process environment
ARG IMAGE
FROM ${IMAGE}
ENV PYTHONPATH=/tmp
