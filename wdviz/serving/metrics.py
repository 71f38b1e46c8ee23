"""Metrics in Prometheus' format, on a listener of their own: whoever runs the server sees them, visitors do not."""

from __future__ import annotations

import gc
from collections.abc import Iterator

from prometheus_client import Counter, Gauge, ProcessCollector, start_http_server
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from streamlit import runtime
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat

from wdviz import runs
from wdviz.ui import faults

REGISTRY = CollectorRegistry()
REFUSED = Counter("wdviz_refused", "Requests, sessions and messages that were refused, by reason", ["reason"], registry=REGISTRY)
AHEAD = Gauge("wdviz_training_ahead", "1 while what visitors will likely ask for is trained before they do", registry=REGISTRY)
CONNECTIONS = Gauge("wdviz_connections", "Open websockets", registry=REGISTRY)


class _State(Collector):
    """What the pool of runs, their cache and Streamlit know, read when it is asked for."""

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        pool, (entries, size, hits, misses) = runs.pool().state(), runs.kept()
        if runtime.exists():
            for stat in runtime.get_instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY])[ACTIVE_SESSIONS_FAMILY]:
                if isinstance(stat, GaugeStat):
                    yield GaugeMetricFamily("wdviz_sessions", "Sessions with an open page", stat.value)
        yield GaugeMetricFamily("wdviz_workers", "Workers of the pool", pool.workers)
        yield GaugeMetricFamily("wdviz_runs_running", "Runs under way", pool.running)
        waiting = GaugeMetricFamily("wdviz_runs_waiting", "Runs that wait, first pictures apart", labels=["kind"])
        waiting.add_metric(["first"], pool.urgent)
        waiting.add_metric(["other"], pool.waiting)
        yield waiting
        yield GaugeMetricFamily("wdviz_sessions_computing", "Sessions with runs under way or waiting", pool.sessions)
        yield GaugeMetricFamily("wdviz_line", "Visitors who stand in line because the server is full", pool.line)
        buckets = [(floatToGoString(bound), count) for bound, count in pool.took]
        yield HistogramMetricFamily("wdviz_run_seconds", "Duration of runs", buckets, pool.computed_seconds)
        yield CounterMetricFamily("wdviz_runs_failed", "Runs that raised an error", pool.failed)
        yield GaugeMetricFamily("wdviz_cache_entries", "Results in the cache", entries)
        yield GaugeMetricFamily("wdviz_cache_bytes", "Their size", size)
        yield CounterMetricFamily("wdviz_cache_hits", "Results found in the cache", hits)
        yield CounterMetricFamily("wdviz_cache_misses", "Results that had to be computed", misses)
        yield GaugeMetricFamily("wdviz_frozen_objects", "Objects of the start that garbage collection passes over", gc.get_freeze_count())
        yield CounterMetricFamily("wdviz_errors", "Errors that nobody foresaw; the log has each under its id", faults.count())


REGISTRY.register(_State())
ProcessCollector(registry=REGISTRY)  # memory, processor time and open files of the process


def listen(host: str, port: int) -> None:
    """Serve the metrics, from a thread of their own. Raises OSError where that address cannot be listened on."""
    start_http_server(port, host, REGISTRY)
