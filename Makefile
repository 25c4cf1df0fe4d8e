# Each target is a command of tools/nexusctl, which says what it does: `make help`.
PACK ?= 1
SERVICES ?=
ARGS ?=
NEXUS := tools/nexus
PACK_FLAG := $(if $(filter 0,$(PACK)),--no-pack,--pack)

.PHONY: help up down status logs test prove lint unit docs doctor lock new base builder rebase build image-cuda env parity reproduce sbom audit
help:
	@$(NEXUS) --help
up:
	@$(NEXUS) up $(PACK_FLAG)
down:
	@$(NEXUS) down
status:
	@$(NEXUS) status
logs:
	@$(NEXUS) logs $(SERVICES)
test:
	@$(NEXUS) test
prove:
	@$(NEXUS) prove
lint:
	@$(NEXUS) lint
unit: export ARGS := $(ARGS)
unit:
	@$(NEXUS) unit $(SERVICES) $(if $(ARGS),--args "$$ARGS")
docs:
	@$(NEXUS) docs
doctor:
	@$(NEXUS) doctor
lock:
	@$(NEXUS) lock
new:
	@$(NEXUS) new $(NAME)
base:
	@$(NEXUS) base
builder:
	@$(NEXUS) builder
rebase:
	@$(NEXUS) rebase
build:
	@$(NEXUS) build $(PACK_FLAG) $(SERVICES)
image-cuda:
	@$(NEXUS) build $(PACK_FLAG) classification-service:cuda
parity:
	@$(NEXUS) parity $(SERVICES)
reproduce:
	@$(NEXUS) reproduce $(SERVICES)
sbom:
	@$(NEXUS) sbom
audit:
	@$(NEXUS) audit
env:
	@$(NEXUS) env
