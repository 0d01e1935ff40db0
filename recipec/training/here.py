"""``train_here``: a whole ``train`` step in whatever process calls it, here or on another machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recipec.training._base import Rows, TrainSpec
from recipec.training._search import Search
from recipec.training._trials import Place, Several, Tell, train


@dataclass(frozen=True)
class TrainJob:
    """What a ``train`` step trains: its settings, its rows, and where everything lies. It can be sent to another process where its rows can
    (:meth:`Rows.table`); ``spec.base`` and ``place`` name folders of the machine that trains."""

    spec: TrainSpec
    rows: Rows
    validation: Rows | None
    place: Place
    search: Search | None = None
    members: int = 1
    """How many trainings the model is an ensemble of."""
    lineage: str | None = None


def silent(*_: object) -> None:
    """Tells nobody."""


def train_here(job: TrainJob, tell: Tell | None = None, interrupted: Callable[[], bool] | None = None) -> Several:
    """Train, in as many processes of this machine as ``job.spec.devices`` says, and leave the model in ``job.place.folder``.

    ``tell`` is told how far it is, and may raise KeyboardInterrupt; ``interrupted`` is asked after every step. Either way, as on Ctrl-C, a checkpoint
    is written to ``job.place.work`` and KeyboardInterrupt raised: the same job goes on from there. Raises DataError for everything that
    makes a training impossible or worthless, and where one of its processes has died.
    """
    return train(
        job.spec, job.rows, job.validation, job.place, tell or silent, search=job.search, members=job.members, lineage=job.lineage,
        interrupted=interrupted,
    )  # fmt: skip
