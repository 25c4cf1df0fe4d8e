# Another text encoding.
# different: image environment, process environment, text encoding
ARG IMAGE
FROM ${IMAGE}
ENV PYTHONUTF8=0 LC_ALL=POSIX PYTHONCOERCECLOCALE=0
