"""What in a tariff can hardly be meant, or is missing, with what would be right: asked about by `check`, never traded on. Pure.

A doubt has a name; `tariff.accept = ["name"]` takes it as it stands. What is missing cannot be accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from gateway.config.bands import BANDS, band
from gateway.config.settings import Settings
from gateway.config.tariff import (
    FlatPrice,
    RetailPrice,
    Tariff,
    TimeOfUsePrice,
)
from gateway.domain.sentences import Sentence, sentence

_EXPORT_TIMES = 2  # what exports earn is at most so many times what imports cost
_FLAT = "kind = 'flat'"
_MOST_FACTOR = Decimal(3)  # of a price that is passed on
_MOST_TAX = Decimal(40)  # percent; the highest VAT is 27 (Hungary)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing to ask about: the key in question, its name for ``accept``, and the question."""

    name: str
    key: tuple[str, ...]
    says: Sentence
    acceptable: bool = True

    @property
    def asks(self) -> str:
        """With what takes it as it stands, where it may."""
        how = f' (tariff.accept = ["{self.name}"] takes it as it stands)' if self.acceptable else ""
        return f"{self.says}{how}"


def doubts(settings: Settings) -> list[Doubt]:
    """What is doubtful and not accepted; empty if the tariff may be meant so."""
    found = [*_missing(settings.tariff), *_of_prices(settings.tariff), *_of_rules(settings)]
    return [d for d in found if not d.acceptable or d.name not in settings.tariff.accept]


def _missing(tariff: Tariff) -> Iterator[Doubt]:
    if not tariff.says_import:
        yield Doubt(
            "import_missing",
            ("tariff", "import_price"),
            sentence(
                "import_price_missing",
                example='import_price = { kind = "flat", per_kwh = "0.14" }',
            ),
            acceptable=False,
        )


def _of_prices(tariff: Tariff) -> Iterator[Doubt]:
    known = band(tariff.currency)
    if known is None:
        some = ", ".join(BANDS)
        yield Doubt(
            "currency",
            ("tariff", "currency"),
            sentence("tariff_doubted.currency", currency=f"{tariff.currency!r}", what=some),
        )
        return
    usual = _Usual(Decimal(str(known.low)), Decimal(str(known.high)), tariff.currency)
    yield from _of_side("import", tariff.import_price, usual, on_top=_on_top(tariff))
    yield from _of_side("export", tariff.export_price, usual, on_top=False)
    bought, sold = _stated(tariff.import_price), _stated(tariff.export_price)
    if bought and sold and 0 < max(bought) * _EXPORT_TIMES < max(sold):
        yield Doubt(
            "export_above_import",
            ("tariff", "export_price"),
            sentence(
                "tariff_doubted.export",
                sold=str(max(sold)),
                bought=f"{max(bought)} {tariff.currency}",
            ),
        )
    for name, amounts in (
        ("levies_per_kwh", [tariff.levies_per_kwh]),
        ("grid_fee", _stated(tariff.grid_fee)),
    ):
        odd = [amount for amount in amounts if abs(amount) > usual.high]
        if odd:
            part = _Usual(usual.low / 20, usual.high, usual.currency)
            yield Doubt(name, ("tariff", name), part.question(odd[0]))


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a kWh costs a household in a currency."""

    low: Decimal
    high: Decimal
    currency: str

    def question(self, per_kwh: Decimal) -> Sentence:
        """It, what is usual, and what was probably meant."""
        hint = sentence("tariff_doubted.unit", currency=self.currency)
        if self.low <= abs(per_kwh) / 100 <= self.high:
            hint = sentence("tariff_doubted.cents", word=f"{per_kwh / 100:f}")
        elif self.low <= abs(per_kwh) / 1000 <= self.high:
            word = f"{per_kwh / 1000:f}"
            hint = sentence("tariff_doubted.per_mwh", currency=self.currency, word=word)
        return sentence(
            "tariff_doubted.per_kwh",
            price=f"{per_kwh} {self.currency}",
            usual=sentence("range", least=str(self.low), most=str(self.high)),
            currency=self.currency,
            hint=hint,
        )


def _of_side(name: str, price: RetailPrice, usual: _Usual, *, on_top: bool) -> Iterator[Doubt]:
    """The amounts of one side; with parts of it in other keys (``on_top``) a small rest is right."""
    key = ("tariff", f"{name}_price")
    if isinstance(price, FlatPrice | TimeOfUsePrice):
        amounts = _stated(price)
        # One usual rate says that the unit is right: free nights and negative hours are sold too.
        anchored = name == "export" or max(amounts) >= usual.low
        least = -usual.high if anchored else Decimal(0) if on_top else usual.low
        odd = [per_kwh for per_kwh in amounts if not least <= per_kwh <= usual.high]
        if odd:
            yield Doubt(f"{name}_price", key, usual.question(odd[0]))
        return
    if abs(price.adder_per_kwh) > usual.high:
        yield Doubt(
            f"{name}_adder",
            key,
            sentence("tariff_doubted.adder", why=usual.question(price.adder_per_kwh)),
        )
    if not 0 < price.factor <= _MOST_FACTOR:
        yield Doubt(
            f"{name}_factor", key, sentence("tariff_doubted.factor", factor=str(price.factor))
        )


def _of_rules(settings: Settings) -> Iterator[Doubt]:
    tariff = settings.tariff
    ruled = [tariff.import_price, tariff.export_price, tariff.grid_fee]
    by_hour = [p for p in ruled if isinstance(p, TimeOfUsePrice)]
    if (by_hour or tariff.flat_night) and "time_zone" not in settings.site.model_fields_set:
        yield Doubt(
            "time_zone",
            ("site",),
            sentence("tariff_doubted.time_zone", example='time_zone = "Europe/Berlin"'),
        )
    if any(not price.periods for price in by_hour):
        yield Doubt(
            "periods",
            ("tariff",),
            sentence("tariff_doubted.periods", example=_FLAT),
        )
    if not 0 <= tariff.tax_pct <= _MOST_TAX:
        said = sentence("tariff_doubted.tax", pct=str(tariff.tax_pct))
        yield Doubt("tax_pct", ("tariff", "tax_pct"), said)
    elif 0 < tariff.tax_pct < 1:
        meant = _whole(100 * tariff.tax_pct)
        said = sentence("tariff_doubted.tax_share", pct=str(tariff.tax_pct), meant=meant)
        yield Doubt("tax_pct", ("tariff", "tax_pct"), said)
    if settings.market is None:
        yield from _unpublished(tariff)


def _unpublished(tariff: Tariff) -> Iterator[Doubt]:
    """Prices that somebody should publish, in a home where nobody does."""
    for side in ("import", "export"):
        price: RetailPrice = getattr(tariff, f"{side}_price")
        if isinstance(price, FlatPrice | TimeOfUsePrice) or price.feed is not None:
            continue
        if f"{side}_price" not in tariff.model_fields_set:
            continue  # not stated: nothing is known of what it earns and nothing is sold; import has a doubt of its own
        yield Doubt(
            f"{side}_unpublished",
            ("tariff", f"{side}_price"),
            sentence("tariff_doubted.unpublished", kind=f"{price.kind!r}", example=_FLAT),
        )


def _whole(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _on_top(tariff: Tariff) -> bool:
    return tariff.grid_fee is not None or tariff.levies_per_kwh > 0 or tariff.flat_night is not None


def _stated(price: RetailPrice | None) -> list[Decimal]:
    """The amounts that stand in it."""
    match price:
        case FlatPrice():
            return [price.per_kwh]
        case TimeOfUsePrice():
            return [price.otherwise_per_kwh, *(p.per_kwh for p in price.periods)]
        case _:
            return []
