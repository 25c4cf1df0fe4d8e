"""The commands: serve (the default), classify, import, train, evaluate, trainer.

Each imports what it needs when it runs: the server's supervisor must stay small, and only the trainer has torch.
"""

# ruff: noqa: PLC0415  see above

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from classification_service.errors import ClassificationServiceError
from classification_service.taxonomies.errors import UnknownTaxonomyError


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 1 when it could not be done, 2 for a wrong command line."""
    options = _parser().parse_args(arguments or ["serve"])
    try:
        options.run(options)
    except (ClassificationServiceError, UnknownTaxonomyError) as error:
        sys.stderr.write(f"classification-service: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("classification_service", description="Products to UNSPSC and ETIM codes.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the API (the default)")
    serve.set_defaults(run=_serve)
    _add_classify(commands.add_parser("classify", help="classify the rows of a file"))
    _add_import(commands.add_parser("import", help="import an official file of UNSPSC or ETIM (needs PostgreSQL)"))
    _add_train(commands.add_parser("train", help="train a model on labelled texts (needs torch)"))
    _add_evaluate(commands.add_parser("evaluate", help="say how good a model is on labelled texts"))
    trainer = commands.add_parser("trainer", help="train what waits in the queue (needs torch and PostgreSQL)")
    trainer.set_defaults(run=_trainer)
    return parser


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, help="CSV, XLSX or JSON Lines")
    parser.add_argument("--taxonomy", required=True, help="unspsc or etim")
    parser.add_argument("--version", help="version of the taxonomy (default: the chosen one)")
    parser.add_argument(
        "--text-column",
        action="append",
        help="column with the product names (default: text); those of several are joined",
    )
    parser.add_argument(
        "--attribute-column", action="append", default=[], help="column that is classified with its name"
    )
    parser.add_argument("--language", default="en", help="language of the texts, a BCP 47 tag (default: en)")
    parser.add_argument("--encoding", help="of a text file (default: UTF-8 or UTF-16, which are found)")
    parser.add_argument("--delimiter", choices=(",", ";", "\t", "|"), help="of CSV (default: what is found)")
    parser.add_argument(
        "--output", type=Path, help="file to write, as its name ends: .csv, .xlsx, .jsonl (default: standard output)"
    )
    parser.add_argument(
        "--tenant", default="", help="whose models and corrections count (default: those of tokens without a tenant)"
    )
    parser.add_argument("--features", action="store_true", help="fill in the values of features, which etim has")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where rows are classified: in this process, or by the cluster at RAY_ADDRESS, else by all processors "
        "of this machine; ray needs the extra of this name (default: local)",
    )
    parser.set_defaults(run=_classify)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input", type=Path, help="UNSPSC as XLSX or CSV, ETIM as the zip archive of its CSV export or as IXF"
    )
    parser.add_argument("--taxonomy", required=True, choices=("unspsc", "etim"), help="unspsc or etim")
    parser.add_argument("--version", required=True, help="what to call it, such as 26.0801")
    parser.add_argument("--language", default="en", help="language of the titles, a BCP 47 tag (default: en)")
    parser.set_defaults(run=_import)


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    parser.add_argument(
        "--labels", type=Path, help="CSV file with columns text and code (default: the taxonomy's own texts)"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the files of the model")
    parser.add_argument("--seed", type=int, default=1, help="start of the random numbers (default: 1)")
    parser.set_defaults(run=_train)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_target(parser)
    parser.add_argument("--labels", type=Path, required=True, help="CSV file with columns text and code")
    parser.add_argument("--model", type=Path, required=True, help="folder that `train` has written")
    parser.set_defaults(run=_evaluate)


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--taxonomy", default="unspsc", choices=("unspsc", "etim"), help="(default: unspsc)")
    parser.add_argument("--version", help="version of the taxonomy (default: the chosen one)")
    parser.add_argument("--codes", type=Path, help="official file of the taxonomy (default: what the service has)")


def _serve(_: argparse.Namespace) -> None:
    from classification_service.settings import Settings
    from nexus_chassis.server import run
    from nexus_chassis.settings import load

    run(load(Settings), "classification_service.app:create_app")


def _classify(options: argparse.Namespace) -> None:
    from classification_service.file_classification import classify_file
    from classification_service.jobs.models import ColumnMapping

    classify_file(
        options.input,
        options.output,
        options.taxonomy,
        version=options.version,
        language=options.language,
        mapping=ColumnMapping(options.text_column or ["text"], options.attribute_column),
        encoding=options.encoding,
        delimiter=options.delimiter,
        engine=options.engine,
        tenant=options.tenant,
        features=options.features,
    )


def _import(options: argparse.Namespace) -> None:
    from classification_service.settings import MIGRATIONS, Settings
    from classification_service.taxonomies.commands import import_taxonomy
    from classification_service.taxonomies.models import NewVersion
    from nexus_chassis.settings import load

    import_taxonomy(
        load(Settings), MIGRATIONS, options.input, NewVersion(options.taxonomy, options.version, options.language)
    )


def _train(options: argparse.Namespace) -> None:
    # Some machines export it, and it then holds torch's OpenBLAS to kernels of an older processor.
    os.environ.pop("OPENBLAS_CORETYPE", None)
    from classification_service.model_commands import Target, train_model

    target = Target(options.taxonomy, options.version, options.codes)
    train_model(target, options.labels, options.output, seed=options.seed)


def _evaluate(options: argparse.Namespace) -> None:
    from classification_service.model_commands import Target, evaluate_model

    target = Target(options.taxonomy, options.version, options.codes)
    evaluate_model(target, options.labels, options.model)


def _trainer(_: argparse.Namespace) -> None:
    os.environ.pop("OPENBLAS_CORETYPE", None)  # as in _train
    from classification_service.settings import Settings
    from classification_service.worker import run_trainer
    from nexus_chassis.settings import load

    run_trainer(load(Settings))
