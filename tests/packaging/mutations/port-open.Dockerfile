# One more port open.
# different: listening ports, package files
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN ["python3", "-B", "-c", "p = __import__('pathlib').Path('/layers/nexus_python/packages/site-packages/sitecustomize.py'); p.write_text(\"import socket, sys\\ns = socket.socket()\\ntry: s.bind(('0.0.0.0', 9999)); s.listen(); sys.modules['kept'] = s\\nexcept OSError: pass\")"]
USER 10001:10001
