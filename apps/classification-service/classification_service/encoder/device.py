"""What the encoder can be told to compute on. The settings read this: it loads nothing else."""

from typing import Literal

type Device = Literal["auto", "cpu", "cuda"]
