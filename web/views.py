"""All views of the package: whatever a module here declares at its top level."""

from importlib import import_module
from pkgutil import iter_modules

import web
from web.view import View


def views() -> list[View]:
    """The views by path; two for one method and path is our own mistake."""
    found: dict[tuple[str, str], View] = {}
    for module in iter_modules(web.__path__):
        members = vars(import_module(f"{web.__name__}.{module.name}"))
        for view in members.values():
            if isinstance(view, View) and found.setdefault((view.path, view.method), view) is not view:
                raise TypeError(f"two views for {view.method} {view.path}")
    return [found[key] for key in sorted(found)]
