"""The latency histogram against a sorted list."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.histogram import VALUE_NS_MAX, Histogram

VALUES_NS = st.lists(st.integers(0, 10**13), min_size=1, max_size=300)


def filled(values_ns: list[int]) -> Histogram:
    histogram = Histogram()
    for value_ns in values_ns:
        histogram.record(value_ns)
    return histogram


@given(values_ns=VALUES_NS, per_mille=st.integers(1, 1000))
def test_a_quantile_is_never_too_low_and_at_most_a_thousandth_too_high(values_ns, per_mille):
    exact_ns = sorted(min(value, VALUE_NS_MAX) for value in values_ns)[-(-len(values_ns) * per_mille // 1000) - 1]

    measured_ns = filled(values_ns).quantile_ns(per_mille)

    assert exact_ns <= measured_ns <= exact_ns + exact_ns // 1000


@given(values_ns=VALUES_NS, others_ns=VALUES_NS)
def test_merging_is_recording_both(values_ns, others_ns):
    merged, together = filled(values_ns), filled(values_ns + others_ns)

    merged.merge(filled(others_ns))

    assert (merged.counts, merged.count, merged.max_ns) == (together.counts, together.count, together.max_ns)


def test_small_values_are_exact():
    assert [filled([value_ns]).quantile_ns(1000) for value_ns in range(2048)] == list(range(2048))


def test_an_empty_histogram_has_only_zeros():
    assert Histogram().summary_us() == {"p50": 0, "p90": 0, "p99": 0, "p99.9": 0, "max": 0}


def test_the_summary_is_in_microseconds():
    summary = filled([1_000 * n for n in range(1, 1001)]).summary_us()

    assert summary == {"p50": 500.223, "p90": 900.095, "p99": 990.207, "p99.9": 999.423, "max": 1000.0}


def test_a_negative_value_counts_as_zero():
    assert filled([-5]).quantile_ns(1000) == 0
