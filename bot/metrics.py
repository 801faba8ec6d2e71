"""What is counted, for Prometheus. No label ever carries a person, a channel or a community."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["FEEDBACK", "HEARD", "LAG", "MODEL_CALLS", "RUNNING", "SECONDS", "TOKENS", "TURNS", "WAITING", "rendered"]

_REGISTRY = CollectorRegistry()

HEARD = Counter("parley_heard", "Questions heard", ["platform"], registry=_REGISTRY)
TURNS = Counter("parley_turns", "Questions dealt with, by how that ended", ["platform", "outcome"], registry=_REGISTRY)
FEEDBACK = Counter("parley_feedback", "Thumbs up and down", ["platform", "verdict"], registry=_REGISTRY)
SECONDS = Histogram(
    "parley_turn_seconds",
    "From the beginning of a turn to the whole answer being shown",
    ["platform"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320),
    registry=_REGISTRY,
)
RUNNING = Gauge("parley_turns_running", "Turns running now", registry=_REGISTRY)
WAITING = Gauge("parley_turns_waiting", "Turns waiting now", registry=_REGISTRY)
LAG = Gauge("parley_loop_lag_seconds", "Longest standstill of the event loop of late", registry=_REGISTRY)
MODEL_CALLS = Counter("parley_model_calls", "Calls of models", ["provider", "model", "role"], registry=_REGISTRY)
TOKENS = Counter("parley_model_tokens", "Tokens used", ["provider", "model", "direction"], registry=_REGISTRY)


def rendered() -> bytes:
    """Everything counted, in the text format of Prometheus."""
    return generate_latest(_REGISTRY)
