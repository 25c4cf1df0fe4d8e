# One more port stated.
# different: exposed ports
ARG IMAGE
FROM ${IMAGE}
EXPOSE 9999
