"""Plugins for LocalStack's free core: functions as processes, authorizers, a server on loopback alone.

LocalStack finds them through the entry points in `alpaquero_plugin-1.dist-info`, since `laptop.localstack`
puts this folder on its `PYTHONPATH`. `runtime_api` and `policy` need the standard library alone.
"""
