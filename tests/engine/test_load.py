"""How busy an engine is, by the metrics that it publishes."""

from adapter.engine.load import Load

METRICS = (
    b"# HELP vllm:num_requests_running Running.\n"
    b'vllm:num_requests_running{engine="0",model_name="m"} 3.0\n'
    b'vllm:num_requests_running{engine="1",model_name="m"} 4.0\n'
    b'vllm:num_requests_waiting{engine="0",model_name="m"} 1e+01\n'
    b'vllm:num_requests_waiting_by_reason{engine="0",reason="x"} 5.0\n'
    b'vllm:generation_tokens_total{engine="0"} 1234.0\n'
)


def test_load_of_several_cores_is_their_sum() -> None:
    """Each core of an engine publishes a line of its own, among lines that look alike."""
    assert Load.of(METRICS) == Load(running=7, waiting=10, generated_tokens=1234)


def test_load_of_lines_without_labels_is_read_too() -> None:
    """Prometheus's format leaves labels out where there are none."""
    assert Load.of(b"vllm:num_requests_running 2\n") == Load(running=2, waiting=0)


def test_load_of_metrics_that_say_nothing_is_idle() -> None:
    """An engine whose metrics are off isn't taken for one that hangs."""
    assert Load.of(b"") == Load.of(b"<html>") == Load(running=0, waiting=0)
