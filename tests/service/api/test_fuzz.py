"""Requests made from the service's own schema never end in a fault."""

import schemathesis
from hypothesis import HealthCheck, settings

from pipeline.valuation.power_law import PowerLaw
from pipeline.valuation.thermocap import Thermocap
from service.api.app import build_app
from service.api.copy import Copy, Rows
from service.api.work import Work
from tests.service.api.conftest import TODAY, history


def _app():
    whole = history(500)
    copy = Copy(
        lambda mark: None if mark else Rows(whole, "made", simulated=True, mark="first"),
        lambda: (PowerLaw(), Thermocap()),
    )
    copy.refresh()
    return build_app(copy, today=lambda: TODAY, work=Work(threads=2))


schema = schemathesis.openapi.from_asgi("/openapi.json", _app())


@schema.parametrize()
@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_of_the_schema_ends_in_a_fault(case):
    answer = case.call()
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error", "code", "detail", "trace_id"}
