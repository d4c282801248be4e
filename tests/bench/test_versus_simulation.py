import pandas as pd
import pytest

from bench.campaign.site import load_site
from bench.cli import main
from bench.store.results import Results
from bench.versus_simulation import measure_speed_up, readable, write

pytestmark = pytest.mark.horovod


def test_the_speed_up_is_simulation_over_inference_beside_the_published_one(tmp_path):
    results = Results(tmp_path)
    ways = [("tensorflow", "fp32")]
    table = measure_speed_up(load_site("local"), results, [400], ways, backbone="Small", resolution=64, model="")
    measured, published = table.to_dict("records")
    assert measured["provenance"] == "measured" and measured["outcome"] == "ok"
    assert measured["simulation_s"] > 0
    assert measured["speed_up"] == pytest.approx(measured["simulation_s"] / measured["inference_s_per_image"])
    assert measured["speed_up_low"] <= measured["speed_up"] <= measured["speed_up_high"]
    assert published["provenance"] == "published" and published["speed_up"] == "10^4 - 10^5"
    csv, markdown = write(table, tmp_path)
    assert list(pd.read_csv(csv)["provenance"]) == ["measured", "published"]
    assert "Cai et al. 2020" in markdown.read_text()


def test_a_failed_inference_stays_in_the_table():
    row = {"particles": 400, "precision": "bf16-amp", "engine": "itex", "simulation_s": 1.0, "speed_up": float("nan")}
    row |= {"inference_s_per_image": float("nan"), "provenance": "measured", "outcome": "rank_lost", "source": "no AVX"}
    row |= {"speed_up_low": float("nan"), "speed_up_high": float("nan")}
    assert "measured (no AVX)" in readable(pd.DataFrame([row]))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ways", "tensorflow"], "each is an engine and a precision"),
        (["--particles", "10"], "--particles 10 is too small"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, told):
    assert main(["versus-simulation", "--results", str(tmp_path), *arguments]) == 2
    assert told in capsys.readouterr().err
