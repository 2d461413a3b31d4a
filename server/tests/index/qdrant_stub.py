"""Qdrant's REST interface over a real socket, with qdrant-client's own local mode behind it: what goes over the wire is
real, and how a server searches is not.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
from pydantic import BaseModel, TypeAdapter
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

API_KEY = "qd-stub-key"

_VECTORS: TypeAdapter[Any] = TypeAdapter(dict[str, models.VectorParams])
_SPARSE: TypeAdapter[Any] = TypeAdapter(dict[str, models.SparseVectorParams])


class QdrantStub:
    """Answers as Qdrant does. `refuse_with`: a status to answer everything with, as a server in trouble does."""

    def __init__(self, local: AsyncQdrantClient) -> None:
        self._local = local
        self.refuse_with: int | None = None
        self.asked: list[tuple[str, str]] = []
        self.url = ""
        self.version = "1.20.0"

    def routes(self) -> list[Route]:
        one, points = "/collections/{name}", "/collections/{name}/points"
        return [
            self._route("GET", "/", self._version),
            self._route("GET", "/collections", self._list),
            self._route("GET", f"{one}/exists", self._exists),
            self._route("GET", one, self._get),
            self._route("PUT", one, self._create),
            self._route("DELETE", one, self._drop),
            self._route("PUT", f"{one}/index", self._create_field_index),
            self._route("PUT", points, self._upsert),
            self._route("POST", f"{points}/query/batch", self._query),
            self._route("POST", f"{points}/delete", self._delete),
            self._route("POST", f"{points}/count", self._count),
            self._route("POST", f"{points}/scroll", self._scroll),
        ]

    def _route(self, method: str, path: str, answer: Callable[[str, Any], Awaitable[Any]]) -> Route:
        async def endpoint(request: Request) -> JSONResponse:
            self.asked.append((request.method, request.url.path))
            if request.headers.get("api-key") != API_KEY:
                return JSONResponse({"status": {"error": "Must provide an API key"}}, 401)
            if self.refuse_with is not None:
                return JSONResponse({"status": {"error": "in trouble"}}, self.refuse_with)
            name = request.path_params.get("name", "")
            if (
                name
                and not path.endswith("/exists")
                and method != "PUT"
                and not await self._local.collection_exists(name)
            ):
                return JSONResponse({"status": {"error": "Not found: Collection"}}, 404)
            body = await request.body()
            result = await answer(name, await request.json() if body else None)
            return JSONResponse(result if path == "/" else {"result": _json(result), "status": "ok", "time": 0.0})

        return Route(path, endpoint, methods=[method])

    async def _version(self, _name: str, _body: Any) -> Any:
        return {"title": "qdrant - vector search engine", "version": self.version}

    async def _list(self, _name: str, _body: Any) -> Any:
        return await self._local.get_collections()

    async def _exists(self, name: str, _body: Any) -> Any:
        return {"exists": await self._local.collection_exists(name)}

    async def _get(self, name: str, _body: Any) -> Any:
        return await self._local.get_collection(name)

    async def _create(self, name: str, body: Any) -> Any:
        return await self._local.create_collection(
            name,
            vectors_config=_VECTORS.validate_python(body["vectors"]),
            sparse_vectors_config=_SPARSE.validate_python(body["sparse_vectors"]),
            metadata=body["metadata"],
        )

    async def _drop(self, name: str, _body: Any) -> Any:
        return await self._local.delete_collection(name)

    async def _create_field_index(self, _name: str, _body: Any) -> Any:
        return {"operation_id": 0, "status": "completed"}

    async def _upsert(self, name: str, body: Any) -> Any:
        return await self._local.upsert(name, models.PointsList.model_validate(body).points)

    async def _query(self, name: str, body: Any) -> Any:
        return await self._local.query_batch_points(name, models.QueryRequestBatch.model_validate(body).searches)

    async def _delete(self, name: str, body: Any) -> Any:
        return await self._local.delete(name, models.FilterSelector.model_validate(body))

    async def _count(self, name: str, body: Any) -> Any:
        asked = models.CountRequest.model_validate(body)
        return await self._local.count(name, count_filter=asked.filter, exact=True)

    async def _scroll(self, name: str, body: Any) -> Any:
        asked = models.ScrollRequest.model_validate(body)
        points, following = await self._local.scroll(
            name, limit=asked.limit or 10, offset=asked.offset, with_payload=True, with_vectors=bool(asked.with_vector)
        )
        return {"points": [_json(point) for point in points], "next_page_offset": following}


@contextlib.asynccontextmanager
async def qdrant_stub() -> AsyncIterator[QdrantStub]:
    """One that listens on this machine, as long as the block lasts."""
    stub = QdrantStub(AsyncQdrantClient(":memory:"))
    config = uvicorn.Config(Starlette(routes=stub.routes()), log_config=None, lifespan="off")
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stub.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await server.start([listener])
        try:
            yield stub
        finally:
            await server.shutdown([listener])


class _Server(uvicorn.Server):
    async def start(self, sockets: list[socket.socket]) -> None:
        if not self.config.loaded:
            self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets)


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return [_json(item) for item in value] if isinstance(value, list) else value
