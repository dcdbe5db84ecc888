"""The key as a query parameter."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headrace.core.contracts import AuthSession, Secret
from headrace.core.http import Request
from headrace.sources.auth._credential import WithCredential


class QueryAuth(WithCredential):
    """The credential is the parameter's value. The parameter is stripped from every URL that is kept or shown."""

    type: Literal["query"] = "query"
    param_name: str = Field("api_key", min_length=1)
    """Name of the parameter."""

    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        return request.with_params([(self.param_name, self.need(secret).value)])

    def secret_params(self) -> frozenset[str]:
        return frozenset({self.param_name})
