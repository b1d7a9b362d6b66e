"""The description of the public API (OpenAPI 3.1), made of the routes and structs that serve it.

`python -m laptop.openapi` writes `infra/openapi.json`; `make check` refuses one that has drifted, and a
change that breaks callers of the last release.
"""
