"""
A latency histogram of bounded size and fixed precision, in integers.

As in HdrHistogram, values up to 2047 ns have a bucket each; above, each power of two is cut into 1024 buckets, so
that a quantile is never more than a thousandth too high and never too low. 33 powers reach beyond two hours.
"""

from typing import Final

_SUB_BITS: Final = 10
_SUB_BUCKETS: Final = 1 << _SUB_BITS
_POWERS: Final = 33
VALUE_NS_MAX: Final = (_SUB_BUCKETS << _POWERS) - 1
"""Longer values count as this one."""


class Histogram:
    """Counts of values in ns: `record` as they come, ask for quantiles at any time."""

    def __init__(self) -> None:
        self.counts = [0] * (_SUB_BUCKETS * (_POWERS + 1))
        """Values in each bucket."""
        self.count = 0
        self.max_ns = 0
        """The largest value, exactly."""

    def record(self, value_ns: int) -> None:
        """Count one value; one below 0 counts as 0."""
        value_ns = min(max(value_ns, 0), VALUE_NS_MAX)
        self.counts[_bucket(value_ns)] += 1
        self.count += 1
        self.max_ns = max(self.max_ns, value_ns)

    def merge(self, other: "Histogram") -> None:
        """Add all that another histogram has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.count += other.count
        self.max_ns = max(self.max_ns, other.max_ns)

    def quantile_ns(self, per_mille: int) -> int:
        """
        The smallest value that at least this share of all values do not exceed; 0 when there are none.

        Args:
            per_mille: 500 for the median, 999 for the 99.9th percentile; 1 to 1000.
        """
        rank = max(1, -(-self.count * per_mille // 1000))
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return min(_bucket_end(bucket), self.max_ns)
        return 0

    def summary_us(self) -> dict[str, float]:
        """p50, p90, p99, p99.9 and max in microseconds, as they go into a JSON report."""
        quantiles = {"p50": 500, "p90": 900, "p99": 990, "p99.9": 999}
        summary = {name: self.quantile_ns(per_mille) / 1000 for name, per_mille in quantiles.items()}
        return {**summary, "max": self.max_ns / 1000}


def _bucket(value_ns: int) -> int:
    power = max(0, value_ns.bit_length() - _SUB_BITS - 1)
    return (power << _SUB_BITS) + (value_ns >> power)


def _bucket_end(bucket: int) -> int:
    """The largest value that falls into the bucket."""
    power = max(0, (bucket >> _SUB_BITS) - 1)
    return ((bucket - (power << _SUB_BITS) + 1) << power) - 1
