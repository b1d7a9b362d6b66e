"""A hundred histories of trouble through the whole laptop cloud: engine, queues, functions, exchange process.

`pytest tests/faults/test_cloud_campaign.py -m slow -s` prints what was injected.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from laptop.stack import ExchangeOptions, LaptopCloud
from tests.faults.cloud import CloudHistories

HISTORIES = 100


@pytest.mark.slow
@pytest.mark.cloud
def test_a_hundred_histories_of_trouble_through_the_whole_cloud(tmp_path: Path) -> None:
    """Whatever the exchange spoils and whichever process dies, books and exchange agree to the cent."""
    exchange = ExchangeOptions(seed=7, clock="stepped", partial_fills="0.3")
    with LaptopCloud(tmp_path, exchange=exchange) as cloud:
        cloud.tick("sync")
        campaign = CloudHistories(cloud)
        for number in range(HISTORIES):
            campaign.run(number)
        campaign.finish()
        injected = cloud.exchange.injected_faults().counts
        rows = sorted((campaign.counts + type(campaign.counts)(injected)).items())
        sys.stdout.write("\n" + "".join(f"{name:30} {count:7}\n" for name, count in rows))
        assert campaign.counts["histories"] >= HISTORIES
        assert campaign.counts["orders"] >= HISTORIES // 2
        assert campaign.counts["workers killed"] >= 5
        assert sum(injected.values()) >= HISTORIES
