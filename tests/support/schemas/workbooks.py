"""Writes small workbooks (xlsx and ods) as zip files of XML, without a spreadsheet program."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZipFile

Rows = Sequence[Sequence[str | float | None]]
Sheets = Mapping[str, Rows]


class ErrorCell(str):
    """A cell that holds an error, such as #N/A."""

    __slots__ = ()


class FormulaCell(str):
    """A formula, as written by a program that does not compute it."""

    __slots__ = ()


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_CALC = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"


def write_xlsx(file: Path, sheets: Sheets, *, merged: Sequence[str] = ()) -> Path:
    """Write the sheets; a number becomes a number, anything else text. `merged` are ranges such as A1:C1."""
    numbered = list(enumerate(sheets.items(), start=1))
    listed = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="r{n}"/>' for n, (name, _) in numbered)
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n, _ in numbered
    )
    with ZipFile(file, "w") as book:
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r0"'
            f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>',
        )
        for n, (_, rows) in numbered:
            book.writestr(f"xl/worksheets/sheet{n}.xml", _xlsx_sheet(rows, merged))
    return file


def write_ods(file: Path, sheets: Sheets) -> Path:
    """Write the sheets; a number becomes a number, anything else text."""
    tables = "".join(
        f'<table:table table:name="{escape(name)}">{"".join(map(_ods_row, rows))}</table:table>'
        for name, rows in sheets.items()
    )
    with ZipFile(file, "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"/>')
        book.writestr(
            "content.xml",
            f'<office:document-content xmlns:office="{_ODF}:office:1.0" xmlns:table="{_ODF}:table:1.0"'
            f' xmlns:text="{_ODF}:text:1.0" xmlns:calcext="{_CALC}">'
            f"<office:body><office:spreadsheet>{tables}</office:spreadsheet>"
            "</office:body></office:document-content>",
        )
    return file


def _xlsx_sheet(rows: Rows, merged: Sequence[str]) -> str:
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = [
            f'<c r="{chr(65 + place)}{number}" t="e"><v>{cell}</v></c>'
            if isinstance(cell, ErrorCell)
            else f'<c r="{chr(65 + place)}{number}"><f>{cell}</f><v/></c>'
            if isinstance(cell, FormulaCell)
            else f'<c r="{chr(65 + place)}{number}"><v>{cell}</v></c>'
            if isinstance(cell, float)
            else f'<c r="{chr(65 + place)}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            for place, cell in enumerate(row)
            if cell is not None
        ]
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    ranges = "".join(f'<mergeCell ref="{one}"/>' for one in merged)
    after = f"<mergeCells>{ranges}</mergeCells>" if merged else ""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData>{after}</worksheet>'


def _ods_row(row: Sequence[str | float | None]) -> str:
    cells = map(_ods_cell, row)
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def _ods_cell(cell: str | float | None) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if isinstance(cell, float):
        return f'<table:table-cell office:value-type="float" office:value="{cell}"/>'
    if isinstance(cell, FormulaCell):
        return f'<table:table-cell table:formula="of:={cell}"/>'
    text = f"<text:p>{escape(cell)}</text:p>"
    if isinstance(cell, ErrorCell):
        kind = 'office:value-type="string" office:string-value="" calcext:value-type="error"'
        return f"<table:table-cell {kind}>{text}</table:table-cell>"
    return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'
