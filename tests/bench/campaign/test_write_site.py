import pytest

from bench.campaign.files import read_toml
from bench.campaign.site import Site, load_site
from bench.campaign.write_site import write_runtime
from deepgalaxy.errors import InputError
from deepgalaxy.runtime import Settings

FOUND = Settings(inter_threads=1, keep_memory=True, cycle_time_ms=2.5, preload="libx.so")


def test_a_new_file_is_the_sites_with_the_settings(tmp_path):
    path = tmp_path / "mine.toml"
    write_runtime(FOUND, path, "slurm-cpu", "found")
    site = load_site(str(path))
    assert site.runtime == FOUND
    assert (site.name, site.nodes, site.environment) == ("mine", 256, {"OMPI_MCA_mtl": "psm2"})
    assert "onednn" not in path.read_text()  # which is as by default


@pytest.mark.parametrize("after", ["", '\n[environment]\nA = "[runtime]"\n'])
def test_settings_are_replaced_and_nothing_else(tmp_path, after):
    path = tmp_path / "mine.toml"
    path.write_text(f'# mine\nname = "mine"\n\n# old\n[runtime]\ninter_threads = 4\ngrappler = true\n{after}')
    for settings in (FOUND, Settings(), FOUND):
        write_runtime(settings, path, "local", "new")
        assert read_toml(path, Site).runtime == settings
    text = path.read_text()
    assert text.startswith('# mine\nname = "mine"')
    assert text.count("[runtime]\n") == 1
    assert "# old" not in text
    assert ('A = "[runtime]"' in text) == bool(after)


def test_a_file_that_is_no_sites_stays_as_it_is(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('question = "?"\n')
    with pytest.raises(InputError, match="mine.toml"):
        write_runtime(FOUND, path, "local", "found")
    assert path.read_text() == 'question = "?"\n'
