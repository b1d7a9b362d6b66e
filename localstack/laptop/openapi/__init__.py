"""The descriptions of both APIs (OpenAPI 3.1), made of the routes and structs that serve them.

`python -m laptop.openapi` writes `infra/openapi.json` and `infra/openapi-services.json`; `make check` refuses
one that has drifted, and a change that breaks callers of the last release.
"""
