"""CSV files as people have them: delimiter and encoding found, faults named with their line."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from classification_service.errors import ClassificationServiceError

type Row = dict[str, str]

_DELIMITERS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class CsvError(ClassificationServiceError):
    """The file cannot be read as CSV with a header line."""


class CsvFile:
    """A CSV file with a header line. `columns` are the names in it, `delimiter` and `encoding` those of the file.

    Raises CsvError when the file cannot be read or two columns have one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding = self._encoding()
        self.delimiter, self.columns = self._header()
        if repeated := [name for name, count in Counter(self.columns).items() if count > 1]:
            raise CsvError(
                f"{path} has more than one column named {', '.join(map(repr, repeated))}. Give each column its own name."
            )

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The line number and the cells of each row; cells that are missing at the end of a row are empty."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.DictReader(file, restval="", delimiter=self.delimiter)
            try:
                for row in reader:
                    if None in row:
                        raise self._fault(
                            reader.line_num, "the row has more cells than the header. Quote cells that have delimiters"
                        )
                    yield reader.line_num, row
            except UnicodeDecodeError as error:
                raise self._not_decodable(error) from None
            except csv.Error as error:
                raise self._fault(reader.line_num, str(error)) from None

    def _fault(self, line: int, reason: str) -> CsvError:
        return CsvError(f"{self.path}, line {line}: {reason}.")

    def _encoding(self) -> str:
        try:
            with self.path.open("rb") as file:
                start = file.read(3)
        except OSError as error:
            raise CsvError(f"{self.path} cannot be read: {error.strerror}.") from None
        return next((name for bom, name in _BOMS if start.startswith(bom)), "utf-8")

    def _header(self) -> tuple[str, list[str]]:
        """The delimiter that gives the most columns, and those."""
        found = {delimiter: self._first_row(delimiter) for delimiter in _DELIMITERS}
        delimiter = max(_DELIMITERS, key=lambda name: len(found[name]))
        return delimiter, found[delimiter]

    def _first_row(self, delimiter: str) -> list[str]:
        try:
            with self.path.open(encoding=self.encoding, newline="") as file:
                return next(csv.reader(file, delimiter=delimiter), [])
        except UnicodeDecodeError as error:
            raise self._not_decodable(error) from None
        except csv.Error as error:
            raise self._fault(1, str(error)) from None

    def _not_decodable(self, error: UnicodeDecodeError) -> CsvError:
        byte = error.object[error.start]
        return CsvError(
            f"{self.path} is not in {self.encoding.removesuffix('-sig').upper()}: byte {error.start} is {byte:#04x}. "
            "Save it as UTF-8."
        )
