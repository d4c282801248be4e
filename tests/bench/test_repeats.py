from bench.repeats import too_wide


def launches(make_record, seconds, **fields):
    return [make_record([[s] * 6], launch=i + 1, **fields) for i, s in enumerate(seconds)]


def test_points_with_wide_intervals_are_launched_again(make_record):
    narrow = launches(make_record, [1.0, 1.001, 0.999])
    wide = launches(make_record, [1.0, 1.2, 0.8], batch_size=8)
    single = launches(make_record, [1.0], batch_size=2)
    failed_only = launches(make_record, [1.0], batch_size=1)
    specs = [group[0].spec for group in (narrow, wide, single, failed_only)]
    found = too_wide([*narrow, *wide, *single], specs, until_interval=0.05, most_repeats=10)
    assert found == [wide[0].spec, single[0].spec]  # what never ran, or never well, is another command's matter


def test_there_is_a_most(make_record):
    wide = launches(make_record, [1.0, 1.2, 0.8])
    assert too_wide(wide, [wide[0].spec], until_interval=0.05, most_repeats=3) == []
    assert too_wide(wide, [wide[0].spec], until_interval=0.05, most_repeats=4) == [wide[0].spec]
    assert too_wide([], [wide[0].spec], until_interval=0.05, most_repeats=4) == []
