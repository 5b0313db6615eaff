"""The page at ``/`` and its two files."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from service.api.errors import documented

FOLDER = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}

router = APIRouter(tags=["page"], include_in_schema=False)


def _serve(path: str, name: str, kind: str) -> None:
    content = (FOLDER / name).read_bytes()

    @router.get(path, responses=documented())
    async def _file() -> Response:
        return Response(content, media_type=kind)


for _path, (_name, _kind) in FILES.items():
    _serve(_path, _name, _kind)
