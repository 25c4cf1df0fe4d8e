"""`python -m dataflow_service` serves; `python -m dataflow_service migrate` applies the migrations and ends."""

from dataflow_service.cli import main

main()
