import msgspec
import pytest

from bench.analysis.comparable import require_comparable, require_distinct
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome

MACHINE = {"cpu": "Xeon", "tensorflow": "2.15.1", "load_average": [0.1, 0.2, 0.3], "frequency_mhz": "2600"}


@pytest.fixture
def on(make_record):
    """A record of a machine like `MACHINE` but for what is given."""

    def make(settings=None, outcome=Outcome.OK, site="here", **facts):
        record = make_record([[1.0]], outcome=outcome, reason="" if outcome is Outcome.OK else "why")
        ranks = [msgspec.structs.replace(rank, environment=settings or {}) for rank in record.ranks]
        return msgspec.structs.replace(record, machine=MACHINE | facts, site=site, ranks=ranks)

    return make


def test_what_changes_by_itself_does_not_tell_records_apart(on):
    require_comparable([on(), on(load_average=[2, 2, 2], frequency_mhz="2100"), on(hostname="other")])


def test_another_version_is_named_with_both_values(on):
    with pytest.raises(InputError, match=r"differ in tensorflow: '2.15.1' \(train-.*\) and '2.15.0' \(.*--mixed"):
        require_comparable([on(), on(), on(tensorflow="2.15.0")])
    with pytest.raises(InputError, match=r"differ in GLIBC_TUNABLES: '' .* and 'glibc.malloc.hugetlb=1'"):
        require_comparable([on(), on(settings={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})])


def test_sites_failures_and_records_without_the_fact_do_not_count(on):
    older = msgspec.structs.replace(on(), machine={"cpu": "Xeon"})
    require_comparable([on(), on(cpu="EPYC", site="there"), on(cpu="EPYC", outcome=Outcome.OOM), older])


def test_a_launch_that_is_there_twice_is_refused(make_record):
    first, second = make_record([[1.0, 1.1]], launch=1), make_record([[1.0, 1.1]], launch=2)
    require_distinct([first, second])
    with pytest.raises(InputError, match="launch 1, .* is there twice"):
        require_distinct([first, second, msgspec.structs.replace(first, log="elsewhere")])
