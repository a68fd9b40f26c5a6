import math

from steward.loadtest.csv_export import COLUMNS, format_csv_lines
from steward.loadtest.recorder import Recorder, SenderResult, SenderStats
from steward.loadtest.response import CAUSES


def test_a_line_for_each_request_in_order():
    recorder = Recorder()
    failed = CAUSES.index("http")
    recorder.add(2.0, 0.25, math.nan, math.nan, 0.5, math.nan, math.nan, 0, 0, 0, 0, 2, 429, failed, 3)
    recorder.add(1.0, 0.5, 0.125, 0.75, 1.0, 0.0625, 0.125, 7, 8, 9, 1, 3, 200, 0, 1)
    head, first, second = format_csv_lines([SenderResult(bytearray(recorder.pack()), b"", SenderStats())])
    assert head == COLUMNS + "\n" and COLUMNS.startswith("intended_s,sent_s,ttft_ms,e2e_ms,ended_s,connect_ms,")
    assert first == "1.000000,1.500000,125.000,750.000,2.000000,62.500,7,8,9,3,200,ok,tokenizer\n"
    assert second == "2.000000,2.250000,,,2.500000,,0,0,0,2,429,http,none\n"
