"""Numbers with units: rates in bits or bytes per second, volumes in bytes, SI or IEC prefixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SI: Final = ("", "k", "M", "G", "T", "P", "E")
_IEC: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")

NOT_KNOWN: Final = "–"
"""Shown where a figure is not known; never a 0."""


def scaled(value: float, iec: bool = False) -> tuple[str, str]:
    """Three significant digits and the prefix: 7_670_000 -> ("7.67", "M"). Negative values keep their sign."""
    step, prefixes = (1024.0, _IEC) if iec else (1000.0, _SI)
    sign, rest = ("-", -value) if value < 0 else ("", float(value))
    index = 0
    # 999.5 would round to "1000": it belongs to the next prefix.
    while rest >= 999.5 and index < len(prefixes) - 1:
        rest /= step
        index += 1
    if rest >= 99.95 or (index == 0 and rest == int(rest)):
        digits = f"{rest:.0f}"
    else:
        digits = f"{rest:.1f}" if rest >= 9.995 else f"{rest:.2f}"
    return sign + digits, prefixes[index]


@dataclass(frozen=True, slots=True)
class Units:
    """How figures are written. Rates follow `bits`; volumes are always bytes, as iftop and nload have it."""

    bits: bool = True
    iec: bool = False

    def rate(self, bytes_per_second: float | None) -> str:
        """A rate, at most 8 characters without IEC: "7.67Mb", "958kB"; `NOT_KNOWN` for None."""
        if bytes_per_second is None:
            return NOT_KNOWN
        digits, prefix = scaled(bytes_per_second * 8 if self.bits else bytes_per_second, self.iec)
        return f"{digits}{prefix}{'b' if self.bits else 'B'}"

    def rate_per_second(self, bytes_per_second: float | None) -> str:
        """As `rate`, with the time: "7.67 Mb/s"."""
        if bytes_per_second is None:
            return NOT_KNOWN
        digits, prefix = scaled(bytes_per_second * 8 if self.bits else bytes_per_second, self.iec)
        return f"{digits} {prefix}{'b' if self.bits else 'B'}/s"

    def volume(self, count_bytes: float | None) -> str:
        """An amount of bytes: "7.51MB"; `NOT_KNOWN` for None."""
        if count_bytes is None:
            return NOT_KNOWN
        digits, prefix = scaled(count_bytes, self.iec)
        return f"{digits}{prefix}B"

    def volume_spaced(self, count_bytes: float | None) -> str:
        """As `volume`, with a space: "7.51 MB"."""
        if count_bytes is None:
            return NOT_KNOWN
        digits, prefix = scaled(count_bytes, self.iec)
        return f"{digits} {prefix}B"

    def speed(self, bits_per_second: int | None) -> str:
        """A link's nominal speed, always in bits: "10Gb"."""
        if bits_per_second is None:
            return NOT_KNOWN
        digits, prefix = scaled(bits_per_second)
        return f"{digits.rstrip('0').rstrip('.') if '.' in digits else digits}{prefix}b"

    @property
    def rate_words(self) -> str:
        """The unit of rates and what a prefix is: "bit/s, k = 1000"."""
        return f"{self.rate_unit}, {'Ki = 1024' if self.iec else 'k = 1000'}"

    @property
    def rate_unit(self) -> str:
        """The unit of rates without prefix: "bit/s" or "B/s"."""
        return "bit/s" if self.bits else "B/s"


def count(value: float | None) -> str:
    """A number of packets or events: "1.21M"; `NOT_KNOWN` for None."""
    if value is None:
        return NOT_KNOWN
    digits, prefix = scaled(value)
    return digits + prefix


def link_share(rx_bytes: int | None, tx_bytes: int | None, seconds: float, speed_bps: int | None) -> float | None:
    """Percent of the link's speed that the busier direction took, as sar does for full duplex (compute_ifutil in
    rd_stats.c); None = not known."""
    if rx_bytes is None or tx_bytes is None or not speed_bps or seconds <= 0:
        return None
    return max(rx_bytes, tx_bytes) * 8 * 100 / seconds / speed_bps
