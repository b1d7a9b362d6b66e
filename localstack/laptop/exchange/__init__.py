"""The paper exchange: an Alpaca on the laptop that replays real prices, for unmodified alpaca-py.

Where to look:

| what | modules |
|---|---|
| prices of the past | `history` from `price_files` or `synthetic`; its sessions from `nyse` |
| the market at a moment | `market`, which never shows anything from later; `timeframes` |
| its data | `series` and `tape` for the routes, `ticks` for the streams |
| the account's book | `book`, a fold of changes, with `resting` and `preferences`; `splits` |
| what the account is worth | `margin` for every order, `account` for its figures, `equity` over time |
| taking an order | `terms` (the body), `admission` and `replacement` (the account), `hours` (when) |
| filling it | `matching` with `quiet`; price and quantity are decided in `alpaquero.simulation` |
| the exchange at work | `venue`, moved by `clock`, kept on disk by `ledger`; `identity` makes ids |
| a request's way in | `gate`, then `fault_gate`; `arrival` is the request on it |
| the routes | `*_api`, with `answers`, `data_query`, `unserved`; JSON in `*wire` |
| the websockets | `streams`, `trade_stream` with `trade_updates`, `data_stream`; `connection` |
| going wrong on purpose | `faults`, the switchboard, with `fault_gate` and `fault_streams` |
| starting and steering | `__main__`, `opening`, `app`; `admin_api` with `admin_bodies`; `client` |
"""
