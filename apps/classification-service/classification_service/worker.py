"""The process `trainer`: it trains what waits in the queue. See docs/guides/train-a-model.md."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from classification_service.encoder.encoder import SentenceEncoder, encoder_name
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.settings import MIGRATIONS, Settings
from classification_service.taxonomies.errors import NoDatabaseError
from classification_service.taxonomies.models import Taxonomy
from classification_service.training.dataset import Example
from classification_service.training.service import Fitted, fit, require_torch
from classification_service.training_runs.material import Material
from classification_service.training_runs.models import Fit, Task
from classification_service.training_runs.trainer import Limits, Trainer
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.logs import configure_logging
from nexus_chassis.postgres import open_database
from nexus_chassis.settings import PostgresSettings, load

HEARTBEAT = Path("/tmp/heartbeat")  # noqa: S108  where the health probe of the images looks
_log = logging.getLogger(__name__)


def run_trainer(settings: Settings) -> None:
    """Train until SIGTERM, which puts the run that is trained back into the queue.

    Raises NoDatabaseError without a database, TrainingError without torch; exits 78 where a setting is wrong.
    """
    require_torch()
    serve(settings, fit_task, HEARTBEAT)


def serve(settings: Settings, fit_: Fit, heartbeat: Path) -> None:
    """Have a trainer train with `fit_`."""
    if settings.postgres is None:
        raise NoDatabaseError
    configure_logging("classification-trainer", settings.log_level)
    try:
        asyncio.run(_serve(settings, settings.postgres, fit_, heartbeat))
    except ConfigurationError as error:
        _log.critical("%s", error)
        sys.exit(os.EX_CONFIG)


async def _serve(settings: Settings, postgres: PostgresSettings, fit_: Fit, heartbeat: Path) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with open_database(postgres, MIGRATIONS) as database:
        material = Material(database, encoder_name(settings.encoder_dir))
        limits = Limits(settings.training_labels, settings.model_bytes)
        trainer = Trainer(database, material, fit_, limits, heartbeat)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(trainer.run())
            _log.info("taking runs of training")
            await ended.wait()
            running.cancel()


def fit_task(task: Task, progress: Callable[[float], None]) -> Fitted:
    """Train with the encoders of the service."""
    settings = load(Settings)
    encoders = Encoders(SentenceEncoder(settings.encoder_dir, device=settings.device), MultilingualEncoder())
    stored = task.titles
    titles = None if stored is None else PackedVectors(stored.vectors, stored.scales)
    examples = [Example(text, code) for text, code in task.examples]
    taxonomy = Taxonomy.of_file(task.taxonomy)
    return fit(taxonomy, examples, seed=task.seed, progress=progress, encoders=encoders, titles=titles)
