"""Features of sampled requests in the store, and frozen baselines of them."""

from __future__ import annotations

import zlib
from typing import Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.legal_holds import is_request_held, sweep_rows
from steward.adapters.stores.tables import drift_baselines, exchanges, feedback, request_features
from steward.core.features import DriftBaseline, FeatureOutcome, FeatureRow, RequestFeatures
from steward.core.rights import SweptRows

_features: Final = msgspec.json.Decoder(RequestFeatures)
FINE: Final = ("ok", "client_closed")
_baseline: Final = msgspec.msgpack.Decoder(DriftBaseline)


class SqlFeatures:
    """`core.stores.FeatureStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, since: float, until: float, *, tenant: str | None) -> list[FeatureRow]:
        table = request_features.c
        query = (
            sa.select(table.at, table.model, table.route, table.features)
            .where(table.at >= since, table.at < until)
            .order_by(table.at, table.request_id)
        )
        if tenant is not None:
            query = query.where(table.tenant == tenant)
        with self._database.read() as connection:
            return [
                FeatureRow(at, model, route, _features.decode(features))
                for at, model, route, features in connection.execute(query)
            ]

    def read_outcomes(
        self, since: float, until: float, *, tenant: str | None, newest: int | None = None
    ) -> list[FeatureOutcome]:
        columns, whole = request_features.c, exchanges.c
        chosen = sa.select(request_features).where(columns.at >= since, columns.at < until)
        if tenant is not None:
            chosen = chosen.where(columns.tenant == tenant)
        if newest is not None:
            chosen = chosen.order_by(columns.at.desc(), columns.request_id.desc()).limit(newest)
        sampled = chosen.subquery()
        table = sampled.c
        rated = (
            sa.select(feedback.c.request_id, sa.func.avg(feedback.c.score).label("score"))
            .where(feedback.c.kind == "explicit", feedback.c.request_id.in_(sa.select(table.request_id)))
            .group_by(feedback.c.request_id)
            .subquery()
        )
        person = sa.func.coalesce(whole.subject, whole.conversation, whole.request_id)
        query = (
            sa.select(table.model, table.route, person, whole.outcome, whole.duration_s, rated.c.score, table.features)
            .select_from(sampled.join(exchanges, whole.request_id == table.request_id))
            .outerjoin(rated, rated.c.request_id == table.request_id)
            .order_by(table.at, table.request_id)
        )
        with self._database.read() as connection:
            return [
                FeatureOutcome(
                    model=model,
                    route=route,
                    person=name,
                    error=outcome not in FINE,
                    duration_s=duration_s,
                    score=score,
                    features=_features.decode(features),
                )
                for model, route, name, outcome, duration_s, score, features in connection.execute(query)
            ]

    def delete_before(self, at: float) -> SweptRows:
        return sweep_rows(
            self._database, request_features, request_features.c.at < at, is_request_held(request_features)
        )

    def add_baseline(self, baseline: DriftBaseline) -> None:
        packed = zlib.compress(msgspec.msgpack.encode(baseline))
        with self._database.write() as connection:
            connection.execute(sa.insert(drift_baselines).values(created_at=baseline.created_at, baseline=packed))

    def newest_baseline(self) -> DriftBaseline | None:
        query = sa.select(drift_baselines.c.baseline).order_by(drift_baselines.c.created_at.desc()).limit(1)
        with self._database.read() as connection:
            packed = connection.execute(query).scalar()
        return None if packed is None else _baseline.decode(zlib.decompress(packed))
