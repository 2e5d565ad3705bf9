"""Running medians."""

import statistics

from mobile_export.runtime.latencies import Latencies


def test_medians_are_of_each_name_and_of_the_last_50() -> None:
    latencies = Latencies()
    assert latencies.medians() == {}
    times = [float(k * k % 97) for k in range(120)]
    for count, spent in enumerate(times, 1):
        latencies.add("a", spent)
        assert latencies.medians()["a"] == statistics.median(times[max(0, count - 50) : count])
    latencies.add("b", 3.0)
    latencies.add("b", 5.0)
    assert latencies.medians().keys() == {"a", "b"}
    assert latencies.medians()["b"] == 4.0
