# A label.
# different: labels
ARG IMAGE
FROM ${IMAGE}
LABEL org.example.note="x"
