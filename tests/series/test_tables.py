"""Tables of series: ids and texts stay as written, times by stated rules."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from asr.errors import DataError
from asr.series.frames import number_columns, read_frame, split_series
from asr.series.tables import read_table, rows_table
from asr.series.times import parse_times

IDS = ["007", "7", "010", "1E5", "NA", "true", "null", "1.0", "-0", "nan", "2024-01-01"]


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_come_back_as_they_were(tmp_path: Path) -> None:
    lines = [f"{name},{step},{step}.5" for name in IDS for step in (1, 2, 3)]
    path = table(tmp_path, "unique_id,ds,y\n" + "\n".join(lines) + "\n")
    assert [one.name for one in split_series(read_frame(path))] == IDS
    rows = [{"unique_id": name, "ds": step, "y": 1.0} for name in IDS for step in (1, 2)]
    assert [one.name for one in split_series(rows_table(rows, "'series'"))] == IDS


def test_ids_of_json_are_texts_or_whole_numbers() -> None:
    rows = [{"unique_id": name, "ds": step, "y": 1.0} for step, name in enumerate([7, "7", 7])]
    assert [one.name for one in split_series(rows_table(rows, "'series'"))] == ["7"]
    for odd in (True, 7.0, [7], {}):
        with pytest.raises(DataError, match="unique_id .* is no text"):
            rows_table([{"unique_id": odd, "ds": 1, "y": 1.0}], "'series'")


def test_texts_stay_and_numbers_are_numbers(tmp_path: Path) -> None:
    frame = read_table(
        table(tmp_path, "ds;code;n;x;flag\n1;01;3;.5;true\n2;NA;-4;1e3;FALSE\n3;x;;;true\n")
    )
    assert frame.code.tolist() == ["01", "NA", "x"]
    assert frame.flag.tolist() == [True, False, True]
    assert frame.n.tolist()[:2] == [3.0, -4.0]
    assert frame.x.tolist()[:2] == [0.5, 1000.0]
    assert frame[["n", "x"]].iloc[2].isna().all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unique_id,ds,y\nBerlin, DE,1,2\n", "line 2: 4 cells, but 3 columns"),
        ("unique_id,ds,y\na,1\n", "line 2: 2 cells"),
        ("unique_id,ds,y\na,1,2\n,2,3\n", r"1 row\(s\) have no unique_id"),
        ("ds,y\n1,2\n,3\n", r"1 row\(s\) have no ds"),
        ("ds;y\n1;2,5\n2;3,5\n", "something else than numbers: '2,5'. Write a decimal point"),
        ("ds,y\n1,1_000\n2,3\n", "something else than numbers: '1_000'"),
        ("ds,y\n1,2\n2,inf\n", "missing or infinite"),
        ("ds,y\n1,2\n2,NA\n", "missing or infinite"),
        ("ds,y,y\n1,2,3\n", "names the column 'y' twice"),
        ('ds,y\n1,"2\n2,3\n', "from line 2 on: a quotation mark is never closed"),
        ("", "empty"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split_series(read_frame(table(tmp_path, text)))


def test_a_channel_with_one_odd_cell_is_not_left_out(tmp_path: Path) -> None:
    good = read_table(table(tmp_path, "ds,a,note\n1,2,x\n2,3,y\n"))
    assert number_columns(good) == ["a"]
    for odd in ("x", "1,5"):
        frame = read_table(table(tmp_path, f"ds\ta\tb\n1\t2\t2\n2\t3\t{odd}\n", "t.tsv"))
        with pytest.raises(DataError, match=f"Column b holds numbers and '{odd}'"):
            number_columns(frame)


def stamps(*texts: str, date_format: str = "") -> list[str]:
    return [str(at) for at in parse_times(texts, "t", date_format)]


def test_times_are_read_by_stated_rules() -> None:
    assert stamps("2024-01-31", "2024-02-01") == ["2024-01-31 00:00:00", "2024-02-01 00:00:00"]
    assert stamps("2024/01/31 13:05", "2024/02/01 13:05:10")[1] == "2024-02-01 13:05:10"
    assert stamps("2024-01", "2024-02")[1] == "2024-02-01 00:00:00"
    assert stamps("20240131", "20240201")[0] == "2024-01-31 00:00:00"
    assert stamps("2001", "2002") == ["2001", "2002"]
    assert stamps("20240131", "20240199") == ["20240131", "20240199"]
    assert stamps("01/31/2024", "02/01/2024")[1] == "2024-02-01 00:00:00"
    assert stamps("31/01/2024 10:00", "01/02/2024 10:00")[1] == "2024-02-01 10:00:00"
    assert stamps("01.02.2024", "01.03.2024")[1] == "2024-03-01 00:00:00"
    assert stamps("3 Feb 2024", "4 Feb 2024")[0] == "2024-02-03 00:00:00"
    assert stamps("01/02/2023", "01/03/2023", date_format="%d/%m/%Y")[1] == "2023-03-01 00:00:00"
    assert stamps("2023-02-01", date_format="%d/%m/%Y") == ["2023-02-01 00:00:00"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("01/02/2023", "01/03/2023"), r"no row tells which number is the day.*data\.date_format"),
        (("13/02/2023", "01/13/2023"), "no timestamps"),
        (("1/2/2023", "1.3.2023"), "no row tells"),
        (("2024-01-01", "tomorrow"), "'tomorrow' is none"),
        (("2024-02-30",), "no timestamps"),
        (("2024-01-01 10:00", "2024-01-01 11:00+01:00"), "others have none"),
        (("31.13.2024",), "no timestamps"),
        (("99999-01-01",), "no timestamps"),
        (("1", "x"), "no timestamps"),
    ],
)
def test_times_that_are_refused(texts: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_times(texts, "t")


def test_hours_over_daylight_saving_are_instants() -> None:
    local = pd.date_range("2024-03-30 20:00", periods=12, freq="h", tz="Europe/Berlin")
    texts = [at.isoformat() for at in local]
    assert {text[-6:] for text in texts} == {"+01:00", "+02:00"}
    frame = pd.DataFrame({"ds": texts, "y": range(12)})
    (one,) = split_series(frame)
    assert one.grid.freq == "h"
    assert list(one.ds) == list(local)


def test_days_over_daylight_saving_are_days() -> None:
    local = pd.date_range("2024-03-29", periods=6, freq="D", tz="Europe/Berlin")
    (one,) = split_series(pd.DataFrame({"ds": [at.isoformat() for at in local], "y": range(6)}))
    assert one.grid.freq == "D"
    assert list(one.ds) == list(local.tz_localize(None))


def test_the_time_of_a_wide_table_is_read_by_the_same_rules(tmp_path: Path) -> None:
    path = table(tmp_path, "date,p\n20240131,1\n20240201,2\n")
    assert [str(at) for at in read_frame(path, "date", ["p"]).ds] == [
        "2024-01-31 00:00:00",
        "2024-02-01 00:00:00",
    ]
