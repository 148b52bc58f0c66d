"""Reports of the vendors' tools, written by hand in their documented format."""

from __future__ import annotations

import json

import pytest

from hepnn.targets import vendor
from hepnn.targets.hls4ml import synthesis

UTILIZATION = """\
Copyright 1986-2023 Xilinx, Inc. All Rights Reserved.
-----------------------------------------------------
| Tool Version : Vivado v.2023.2 (lin64) Build 4029153 Fri Oct 13 20:13:54 MDT 2023
| Design       : network
| Device       : xcvu13p-flga2577-2-e
| Design State : {state}
-----------------------------------------------------
1. CLB Logic
------------
+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| {luts}                   | 5012 |     0 |          0 |   1728000 |  0.29 |
|   LUT as Logic             | 4988 |     0 |          0 |   1728000 |  0.29 |
| {registers}              | 2871 |     0 |          0 |   3456000 |  0.08 |
|   Register as Flip Flop    | 2871 |     0 |          0 |   3456000 |  0.08 |
+----------------------------+------+-------+------------+-----------+-------+
3. BLOCKRAM
| Block RAM Tile             |  1.5 |     0 |          0 |      2688 |  0.06 |
|   RAMB36/FIFO*             |    1 |     0 |          0 |      2688 |  0.04 |
| URAM                       |    0 |     0 |          0 |      1280 |  0.00 |
4. ARITHMETIC
| DSPs                       |    7 |     0 |          0 |     12288 | <0.01 |
"""

TIMING = """\
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)
    -------      -------  ---------------------  -------------------      -------
     {slack}        0.000                      0                 5742        0.021

"""

FIT = """\
; Fitter Summary                                                                    ;
; Fitter Status                   ; Successful - Tue Jan  7 10:11:12 2025           ;
; Quartus Prime Version           ; 23.4.0 Build 79 11/22/2023 SC Pro Edition       ;
; Family                          ; Agilex 7                                        ;
; Logic utilization (in ALMs)     ; 3,021 / 487,200 ( < 1 % )                       ;
; Total dedicated logic registers ; 2,950                                           ;
; Total RAM Blocks                ; 0 / 7,110 ( 0 % )                               ;
; Total DSP Blocks                ; 12 / 4,510 ( < 1 % )                            ;
"""

STA = """\
; Fmax Summary                                       ;
; Fmax       ; Restricted Fmax ; Clock Name ; Note   ;
+------------+-----------------+------------+--------+
; 412.37 MHz ; 400.0 MHz       ; clk        ;        ;
"""


def vivado(folder, *, state="Routed", family="CLB", slack=" 0.412"):
    (folder / "util").write_text(
        UTILIZATION.format(state=state, luts=f"{family} LUTs*", registers=f"{family} Registers")
    )
    (folder / "timing").write_text(TIMING.format(slack=slack))
    return vendor.vivado(folder / "util", folder / "timing", 5.0)


@pytest.mark.parametrize("family", ["CLB", "Slice"])
def test_vivados_reports_after_routing_are_read(tmp_path, family):
    read = vivado(tmp_path, family=family)
    cells = {name: read[name] for name in ("lut", "ff", "dsp", "bram", "uram")}
    assert cells == {"lut": 5012, "ff": 2871, "dsp": 7, "bram": 1.5, "uram": 0}
    assert read["slack_ns"] == 0.412 and read["fmax_mhz"] == round(1000 / (5 - 0.412), 1)
    assert read["source"] == "Vivado v.2023.2, placed and routed" and not read["estimate"]


def test_a_missed_clock_and_a_report_before_routing_are_told_apart(tmp_path):
    assert vivado(tmp_path, slack="-1.250")["fmax_mhz"] == 160.0
    before = vivado(tmp_path, state="Synthesized")
    assert before["estimate"] and before["source"].endswith("synthesized")


@pytest.mark.parametrize("text", ["", "| CLB LUTs", "Vivado was killed", "\x00\xff"])
def test_a_report_cut_short_gives_nothing(tmp_path, text):
    (tmp_path / "util").write_text(text)
    assert vendor.vivado(tmp_path / "util", tmp_path / "none", 5.0) == {}
    assert vendor.quartus(tmp_path / "util", tmp_path / "none") == {}


def test_without_timing_the_cells_are_read_alone(tmp_path):
    vivado(tmp_path)
    assert "fmax_mhz" not in vendor.vivado(tmp_path / "util", tmp_path / "none", 5.0)
    assert "fmax_mhz" not in vivado(tmp_path, slack="NA")


def test_quartus_reports_are_read(tmp_path):
    (tmp_path / "n.fit.rpt").write_text(FIT)
    (tmp_path / "n.sta.rpt").write_text(STA)
    read = vendor.quartus(tmp_path / "n.fit.rpt", tmp_path / "n.sta.rpt")
    assert (read["alm"], read["ff"], read["dsp"], read["bram"]) == (3021, 2950, 12, 0)
    assert read["fmax_mhz"] == 412.37 and read["source"] == "Quartus 23.4.0, placed and routed"
    (tmp_path / "n.fit.summary").write_text(FIT.replace(" ;", ":").replace(";", " "))
    summary = vendor.quartus(tmp_path / "n.fit.summary", tmp_path / "none")
    assert (summary["alm"], summary["ff"]) == (3021, 2950)


def test_vitis_export_after_routing_is_read(tmp_path):
    report = tmp_path / "network_prj" / "solution1" / "impl" / "report" / "verilog"
    report.mkdir(parents=True)
    (report / "export_impl.xml").write_text(
        "<profile><AreaReport><Resources><CLB>900</CLB><LUT>4100</LUT><FF>1500</FF><DSP>3</DSP>"
        "<BRAM>5</BRAM><URAM>0</URAM></Resources></AreaReport><TimingReport><TargetClockPeriod>5.0"
        "</TargetClockPeriod><AchievedClockPeriod>4.21</AchievedClockPeriod></TimingReport>"
        "</profile>"
    )
    routed = synthesis.report(tmp_path, "Vitis")["routed"]
    assert (routed["lut"], routed["ff"], routed["dsp"], routed["bram"]) == (4100, 1500, 3, 2.5)
    assert routed["clock_period_ns"] == 4.21 and not routed["estimate"]
    (report / "export_impl.xml").write_text("<profile><AreaRep")
    assert "export_impl.xml" in synthesis.report(tmp_path, "Vitis")["routed"]["unread"]


def test_oneapis_report_is_read(tmp_path):
    assert synthesis.report(tmp_path, "oneAPI") == {"synthesis": "not run"}
    folder = tmp_path / "build" / "network.report.prj" / "reports" / "resources" / "json"
    folder.mkdir(parents=True)
    (folder / "quartus.ndjson").write_text("{}")
    lines = [
        {"name": "Total", "data": [5120, 8190, 12, 40, 3]},
        {"name": "Available", "data": [974400, 1948800, 7110, 4510, 0]},
    ]
    (folder / "summary.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    loop = {"af": "480.00", "ii": "1", "lt": "37.000000"}
    (folder / "loop_attr.ndjson").write_text(json.dumps(loop))
    read = synthesis.report(tmp_path, "oneAPI")["synthesis"]
    assert (read["alut"], read["reg"], read["ram"], read["dsp"]) == (5120, 8190, 12, 40)
    assert (read["latency_clocks"], read["initiation_interval"]) == (37, 1)
    (folder / "summary.ndjson").write_text("{")
    assert "cannot be read" in synthesis.report(tmp_path, "oneAPI")["synthesis"]
