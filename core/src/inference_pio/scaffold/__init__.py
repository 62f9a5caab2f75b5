"""``inference-pio new``: a complete plugin, rendered from templates that come with the host.

naming      what an author types -> the names of distribution, package, classes, functions
project     names, texts and version bounds -> the value of every placeholder
rendering   templates -> texts
writing     texts -> a folder, wholly or not at all
"""

from .naming import Names, derive_names
from .project import Kind, Project, build_project
from .rendering import license_names, render_project
from .writing import write_project

__all__ = [
    "Kind",
    "Names",
    "Project",
    "build_project",
    "derive_names",
    "license_names",
    "render_project",
    "write_project",
]
