"""Says in sentences what the facts of a message state, and how often messages like it were right."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.components import Component
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from schemas.instruments.instrument import Instrument
from schemas.message_precision import MessagePrecision, PrecisionSource
from schemas.wording.wording import Wording

_SEVERAL = 3
"""From this number on, components that all fell are named together."""
_PLURAL = {Component.GOAL, Component.TASK}
_MOST_LATER = 3
_MOST_OF_TEN = 9
"""The highest number of ten messages that is stated: ratings alone cannot make it certain."""
NEAR_SHARE = 0.05
FAR_SHARE = 0.1
"""What fell is near usual when it is at most half of its fall below it (or `NEAR_SHARE` of the scale, if that
is more), in no case more than `FAR_SHARE`; with more than that above usual it is higher."""
NAMED = {Standing.FELL, Standing.LOW}
"""How components stand that a message is about."""


def fact_sentences(facts: Facts, wording: Wording, zone: ZoneInfo) -> tuple[str, ...]:
    """Return what fell, what held and what rose in the last form, and the sessions without a form.

    These come after a fall, and before the marks of a form in which nothing fell, or only slightly.
    """
    return tuple(_sentences(facts, wording.with_decimals(facts.decimals), zone))


def repaired_sentences(
    told: Facts | None, facts: Facts | None, scale: Instrument | None, wording: Wording, zone: ZoneInfo
) -> tuple[str, ...]:
    """Return where the components that fell are now, against the usual level that they had before.

    Args:
        told: the facts that the message was about.
        facts: those of the session at which the episode closed; None when its producer stated none.
        scale: the instrument of the marks; None when it is not known, so that nothing can be called near.
        wording: the language.
        zone: of the dates.
    """
    if facts is None or facts.form_at is None:
        return (wording("fact.repaired.plain"),)
    wording = wording.with_decimals(facts.decimals)
    then = {one.component: one.mark for one in told.components if one.standing in NAMED} if told else {}
    near, above, lower, risen = [], [], [], []
    for one in facts.components:
        before = then.get(one.component)
        if one.mark is None or before is None:
            continue
        if one.usual is None:
            risen += [one] if one.mark > before else []
        elif _is_near(before, one.mark, one.usual, scale):
            near.append(one)
        elif wording.value(one.mark) < wording.value(one.usual):
            lower.append(one)
        elif wording.value(one.mark) > wording.value(one.usual):
            above.append(one)
    last = wording.day(facts.form_at, zone)
    said = [
        wording(f"fact.{key}", last=last, marks=_list((_with(one, mark, wording) for one in ones), wording))
        for key, mark, ones in (
            ("repaired.near", "mark_before", near),
            ("others.rose", "mark_usual", above),
            ("repaired.lower", "mark_before", lower),
            ("repaired.risen", "mark", risen),
        )
        if ones
    ]
    return tuple(said) or _form(facts, wording, zone)


def settled_sentences(
    told: Facts | None, facts: Facts | None, wording: Wording, zone: ZoneInfo
) -> tuple[str, ...]:
    """Return at what level the components that fell have settled, if that is lower than before.

    The arguments are those of `repaired_sentences`.
    """
    if facts is None:
        return (wording("fact.settled.plain"),)
    wording = wording.with_decimals(facts.decimals)
    named = [one.component for one in told.components if one.standing in NAMED] if told else []
    lower, alone = [], []
    for one in facts.components:
        if one.component not in named or one.lasting is None:
            continue
        values = {"name": _name(one, wording), "mark": wording.number(one.lasting)}
        if one.usual is None:
            alone.append(wording("fact.mark_lasting_alone", **values))
        elif wording.value(one.lasting) < wording.value(one.usual):
            lower.append(wording("fact.mark_lasting", **values, usual=wording.number(one.usual)))
    said = [
        wording(f"fact.settled.{key}", marks=_list(marks, wording))
        for key, marks in (("lower", lower), ("level", alone))
        if marks
    ]
    return tuple(said) or _form(facts, wording, zone)


def later_sentence(told: Facts, later: Sequence[Facts], wording: Wording, zone: ZoneInfo) -> str | None:
    """Return the marks of the newest sessions after the told one, for the components that it names."""
    wording = wording.with_decimals(told.decimals)
    named = [one.component for one in told.components if one.standing in NAMED]
    entries: dict[datetime, str] = {}
    for facts in later:
        if facts.form_at is not None and (told.form_at is None or facts.form_at > told.form_at):
            marks = [
                _with(one, "mark", wording)
                for one in facts.components
                if one.mark is not None and (one.component in named or not named)
            ]
            if marks:
                day = wording.day(facts.form_at, zone)
                entries[facts.form_at] = wording("fact.later.entry", day=day, marks=_list(marks, wording))
        if facts.empty is not None and (told.empty is None or facts.empty.last_at > told.empty.last_at):
            day = wording.day(facts.empty.last_at, zone)
            entries[facts.empty.last_at] = wording("fact.later.no_form", day=day)
    if not entries:
        return None
    newest = [entries[at] for at in sorted(entries)][-_MOST_LATER:]
    return wording("fact.later.sentence", entries=wording("fact.later.separator").join(newest))


def _sentences(facts: Facts, wording: Wording, zone: ZoneInfo) -> Iterator[str]:
    marked = [one for one in facts.components if one.mark is not None]
    fell = [one for one in marked if one.standing in NAMED]
    empty = () if facts.empty is None else (_empty(facts.empty, wording, zone),)
    below_first = tuple(_below_first(marked, wording))
    # Each mark stands beside its usual level in `_form`, so what is higher needs no sentence of its own.
    if facts.empty is not None and (facts.empty.lead or not (fell or below_first)):
        yield from (*empty, *_form(facts, wording, zone, "empty.before"), *below_first)
    elif not fell:
        yield from (*_form(facts, wording, zone), *below_first, *empty)
    else:
        yield from _fallen(facts, fell, len(marked), wording, zone)
        yield from (*_others(marked, wording), *below_first, *empty)


def _fallen(
    facts: Facts, fell: Sequence[ComponentFact], marked: int, wording: Wording, zone: ZoneInfo
) -> Iterator[str]:
    form_at = facts.form_at
    if form_at is None:
        return
    last = wording.day(form_at, zone)
    since = facts.since or form_at
    if facts.shape is Shape.SLIDE and facts.slide:
        forms = len(facts.slide)
        slide = _list(map(wording.number, facts.slide), wording)
        yield _named("slide.deepest", fell[:1], wording, forms=forms, slide=slide)
        if fell[1:]:
            yield _named("slide.also", fell[1:], wording, last=last, marks=_usuals(fell[1:], wording))
        return
    said = {"last": last, "session": wording.day(since, zone)}
    key = {Shape.LOW_FROM_START: "low", Shape.UNCLEAR: "unclear"}.get(
        facts.shape, "since" if since < form_at else "step"
    )
    if len(fell) >= _SEVERAL and len(fell) == marked:
        yield wording(f"fact.{key}.all", marks=_usuals(fell, wording), **said)
    elif len(fell) == 1 and (key == "low" or fell[0].usual is not None):
        yield _named(f"{key}.one", fell, wording, **said, **_figures(fell[0], wording))
    else:
        yield wording(
            f"fact.{key}.many", Name=_capital(_names(fell, wording)), marks=_usuals(fell, wording), **said
        )
    if facts.began:
        yield _named("began", fell[:1], wording, marks=_list(map(wording.number, facts.began), wording))


def _others(marked: Sequence[ComponentFact], wording: Wording) -> Iterator[str]:
    lower, held = (
        [one for one in marked if one.standing is standing]
        for standing in (Standing.SOMEWHAT_LOWER, Standing.HELD)
    )
    if lower:
        yield wording("fact.others.lower", marks=_usuals(lower, wording))
    for key, ones in (("held", [one for one in held if not one.back]), ("back", [o for o in held if o.back])):
        if ones:
            yield _named(f"others.{key}", ones, wording)
    rose = [one for one in marked if one.standing is Standing.ROSE]
    if rose:
        yield wording("fact.others.rose", marks=_usuals(rose, wording))


def _below_first(marked: Sequence[ComponentFact], wording: Wording) -> Iterator[str]:
    falls = [(one.mark - one.first, one) for one in marked if one.mark is not None and one.first is not None]
    if falls:
        deepest_first = [one for _, one in sorted(falls, key=lambda fall: fall[0])]
        marks = _list((_with(one, "mark_first", wording) for one in deepest_first), wording)
        yield wording("fact.others.below_first", marks=marks)


def _empty(empty: EmptyForms, wording: Wording, zone: ZoneInfo) -> str:
    return wording("fact.empty.after", day=wording.day(empty.last_at, zone), count=empty.count, of=empty.of)


def _is_near(told: float, mark: float, usual: float, scale: Instrument | None) -> bool:
    """Return whether a mark that had been told as lower is near its usual level again."""
    if scale is None:
        return False
    width = scale.highest - scale.lowest
    least, most = NEAR_SHARE * width, FAR_SHARE * width
    nearest = min(max((usual - told) / 2, least), most)
    return told < mark and usual - nearest <= mark <= usual + most


def _form(facts: Facts, wording: Wording, zone: ZoneInfo, key: str = "others.form") -> tuple[str, ...]:
    """Return the marks of the last form; nothing when there is none."""
    marked = [one for one in facts.components if one.mark is not None]
    if not marked or facts.form_at is None:
        return ()
    last = wording.day(facts.form_at, zone)
    return (wording(f"fact.{key}", last=last, marks=_usuals(marked, wording)),)


def _named(key: str, ones: Sequence[ComponentFact], wording: Wording, **values: object) -> str:
    """Return the sentence of a key in the grammatical number of these components."""
    number = "plural" if len(ones) > 1 or ones[0].component in _PLURAL else "singular"
    names = _names(ones, wording)
    return wording(f"fact.{key}_{number}", Name=_capital(names), name=names, **values)


def _names(ones: Sequence[ComponentFact], wording: Wording) -> str:
    if len(ones) == 1:
        return wording(f"name.one.{ones[0].component.value}")
    *first, last = (_name(one, wording) for one in ones)
    return wording("format.and", first=", ".join(first), last=last)


def _name(one: ComponentFact, wording: Wording) -> str:
    return wording(f"name.many.{one.component.value}")


def _figures(one: ComponentFact, wording: Wording) -> dict[str, str]:
    return {
        "mark": "" if one.mark is None else wording.number(one.mark),
        "usual": "" if one.usual is None else wording.number(one.usual),
        "first": "" if one.first is None else wording.number(one.first),
    }


def _with(one: ComponentFact, key: str, wording: Wording) -> str:
    return wording(f"fact.{key}", name=_name(one, wording), **_figures(one, wording))


def _with_usual(one: ComponentFact, wording: Wording) -> str:
    return _with(one, "mark" if one.usual is None else "mark_usual", wording)


def _usuals(ones: Iterable[ComponentFact], wording: Wording) -> str:
    return _list((_with_usual(one, wording) for one in ones), wording)


def _list(texts: Iterable[str], wording: Wording) -> str:
    return wording("format.separator").join(texts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def right_of_ten(precision: MessagePrecision) -> int:
    """Return how many of ten messages were right, 0 to 9."""
    return min(_MOST_OF_TEN, round(10 * precision.right))


def precision_sentence(precision: MessagePrecision, wording: Wording) -> str:
    """Return how many of ten messages like this stood for a lasting change."""
    right = right_of_ten(precision)
    key = f"precision.{_place(precision)}"
    return wording(key, right=right) if right else wording(f"{key}_hardly_any")


def precision_basis(precision: MessagePrecision, wording: Wording) -> str:
    """Return where the figure comes from, with its count and interval."""
    return wording(
        f"precision.{_place(precision)}_basis",
        messages=precision.messages,
        low=round(100 * precision.low),
        high=round(100 * precision.high),
    )


def _place(precision: MessagePrecision) -> str:
    return "practice" if precision.source is PrecisionSource.PRACTICE else "simulated"
