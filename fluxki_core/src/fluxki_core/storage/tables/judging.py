"""Tables of what an analysis is made of, and of the stages a ticket moves through."""

from typing import Any

from piccolo.columns import JSON, BigSerial, Boolean, ForeignKey, Integer, Varchar
from piccolo.columns.base import OnDelete, OnUpdate
from piccolo.columns.reference import LazyTableReference
from piccolo.table import Table


class Classification(Table, tablename="classification"):
    """A node of the tree of classifications. A removed one stays, not `active`, for the tickets that name it."""

    id = BigSerial(primary_key=True)
    parent_id: ForeignKey[Any] = ForeignKey(
        LazyTableReference("Classification", module_path=__name__),
        on_delete=OnDelete.restrict,
        on_update=OnUpdate.restrict,
        null=True,
        default=None,
        index=True,
    )
    name = Varchar(length=120)
    active = Boolean(default=True)


class Stage(Table, tablename="stage"):
    """A step of a classification's list, or of the default list (no classification); the last one finishes."""

    id = BigSerial(primary_key=True)
    classification_id = ForeignKey(
        Classification, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=True, default=None, index=True
    )
    name = Varchar(length=120)
    position = Integer(default=0)
    waiting = Boolean(default=False)
    active = Boolean(default=True)


class Question(Table, tablename="question"):
    """`options` is a JSON list of texts, for the types that choose."""

    id = BigSerial(primary_key=True)
    classification_id = ForeignKey(
        Classification, on_delete=OnDelete.cascade, on_update=OnUpdate.restrict, null=True, default=None, index=True
    )
    text = Varchar(length=300)
    type = Varchar(length=20)
    options = JSON(default="[]")
    required = Boolean(default=False)
    position = Integer(default=0)
    active = Boolean(default=True)


class Keyword(Table, tablename="keyword"):
    id = BigSerial(primary_key=True)
    name = Varchar(length=120)
    active = Boolean(default=True)
