"""The page at ``/`` and its two files, under a policy that allows nothing from elsewhere."""

from importlib.resources import files

from fastapi import APIRouter, Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
router = APIRouter(include_in_schema=False)


def _file(name: str, kind: str) -> Response:
    text = files("service.api").joinpath("static", name).read_bytes()
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return Response(text, media_type=kind, headers=headers)


@router.get("/")
def page() -> Response:
    """Return the page."""
    return _file("page.html", "text/html; charset=utf-8")


@router.get("/static/page.js")
def script() -> Response:
    """Return its script."""
    return _file("page.js", "text/javascript; charset=utf-8")


@router.get("/static/page.css")
def style() -> Response:
    """Return its style."""
    return _file("page.css", "text/css; charset=utf-8")
