"""Settings of the service."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from classification_service.encoder.device import Device
from nexus_chassis.settings import ServiceSettings, TokenSettings


class Settings(ServiceSettings, TokenSettings):
    """What the service can be told."""

    service_name: ClassVar[str] = "classification-service"

    port: int = Field(8002, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    encoder_dir: Path | None = Field(
        None,
        validation_alias="NEXUS_ENCODER_DIR",
        description="folder with the model.safetensors and tokenizer.json of another encoder of the same shape; "
        "`None` means the one that is shipped",
    )
    encoder_threads: int = Field(
        1,
        validation_alias="NEXUS_ENCODER_THREADS",
        ge=1,
        description="threads that one worker process computes with",
    )
    device: Device = Field(
        "auto",
        validation_alias="NEXUS_DEVICE",
        description="what the encoder computes on: cpu; cuda, the NVIDIA GPU; "
        "or auto, the GPU if torch is there and can use one, else the CPU",
    )
