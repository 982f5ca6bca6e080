"""Regular expressions that take linear time whatever the pattern and the text: no backtracking.

The pattern becomes a nondeterministic automaton (Thompson's construction), of which a deterministic one is made state
by state as texts are searched. Knows literals, `.`, classes `[a-z]`, `\\d \\w \\s` and their opposites, `^ $`, groups,
`|`, and `* + ? {m} {m,} {m,n}`. What Python's re has beyond that (look-around, back references) cannot be had in
linear time and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from netdash.model.filter.errors import FilterError

MAX_TEXT: Final = 512
"""Characters of a text that are looked at."""
MAX_STATES: Final = 500
"""Steps of the automaton: bounds what counted repeats such as (a{99}){99} blow up to."""
MAX_REPEAT: Final = 100
MAX_GROUPS: Final = 20
"""Nesting depth of groups."""
_MAX_CACHED: Final = 500
"""States of the deterministic automaton that are kept; beyond that it begins anew."""

_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r"}


@dataclass(frozen=True, slots=True)
class _Chars:
    """One character out of ranges, or none of them."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False

    def takes(self, char: str) -> bool:
        cases = (char, char.lower(), char.upper())
        return any(first <= case <= last for first, last in self.ranges for case in cases) != self.negated


_ANY: Final = _Chars((), negated=True)
_CLASSES: Final = {
    "d": _Chars((("0", "9"),)),
    "w": _Chars((("a", "z"), ("0", "9"), ("_", "_"))),
    "s": _Chars((("\t", "\r"), (" ", " "))),
}

_START, _END = "^", "$"
_REPEATS: Final = ("*", "+", "?", "{")


@dataclass(slots=True)
class _Step:
    """One state: takes a character, or is passed without one; leads to `next` states."""

    what: _Chars | str | None = None
    """Characters to take, an anchor, or None: passed freely."""
    next: list[int] = field(default_factory=list)


class Pattern:
    """A compiled pattern; case does not matter. Raises FilterError, whose position counts from `offset`."""

    def __init__(self, source: str, offset: int = 0) -> None:
        self.source = source
        self._steps: list[_Step] = []
        compiler = _Compiler(source, self._steps, offset)
        self._first, self._last = compiler.compile()
        self._finds_empty = self._last in self._closed({self._first}, at_start=True, at_end=True)
        self._forget()

    def _forget(self) -> None:
        self._ids: dict[frozenset[int], int] = {}
        self._moves: list[dict[str, int]] = []
        self._sets: list[frozenset[int]] = []
        self._found: list[bool] = []
        self._found_at_end: list[bool] = []
        self._begin = self._state(self._closed({self._first}, at_start=True))

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the first MAX_TEXT characters. Takes time in proportion to those."""
        if not text:
            return self._finds_empty
        state = self._begin
        for char in text[:MAX_TEXT]:
            if self._found[state]:
                return True
            following = self._moves[state].get(char)
            if following is None:
                following = self._follow(state, char)
            state = following
        return self._found[state] or self._found_at_end[state]

    def can_match(self, alphabet: str) -> bool:
        """False where no text of these characters alone can match, True where one can or it takes long to tell."""
        seen, waiting = {self._begin}, [self._begin]
        while waiting:
            state = waiting.pop()
            if self._found[state] or self._found_at_end[state]:
                return True
            if len(self._sets) > _MAX_CACHED // 2:
                return True
            for char in alphabet:
                following = self._moves[state].get(char)
                following = self._follow(state, char) if following is None else following
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        return self._finds_empty

    def _follow(self, state: int, char: str) -> int:
        taken = set()
        for number in self._sets[state]:
            step = self._steps[number]
            if isinstance(step.what, _Chars) and step.what.takes(char):
                taken.update(step.next)
        # A match may begin at every character.
        taken.add(self._first)
        members = self._closed(taken, at_start=False)
        if len(self._sets) >= _MAX_CACHED and members not in self._ids:
            self._forget()
            return self._state(members)
        following = self._state(members)
        self._moves[state][char] = following
        return following

    def _state(self, members: frozenset[int]) -> int:
        number = self._ids.get(members)
        if number is None:
            number = self._ids[members] = len(self._sets)
            self._sets.append(members)
            self._moves.append({})
            self._found.append(self._last in members)
            self._found_at_end.append(self._last in self._closed(set(members), at_start=False, at_end=True))
        return number

    def _closed(self, members: set[int], *, at_start: bool, at_end: bool = False) -> frozenset[int]:
        """With all that is reached from `members` without a character."""
        waiting, reached = list(members), set(members)
        while waiting:
            step = self._steps[waiting.pop()]
            if step.what is None or (step.what == _START and at_start) or (step.what == _END and at_end):
                for number in step.next:
                    if number not in reached:
                        reached.add(number)
                        waiting.append(number)
        return frozenset(reached)


class _Compiler:
    """Recursive descent over the pattern; a part is (its first state, its last state)."""

    def __init__(self, source: str, steps: list[_Step], offset: int) -> None:
        self._source = source
        self._steps = steps
        self._offset = offset
        self._at = 0
        self._depth = 0

    def compile(self) -> tuple[int, int]:
        part = self._alternatives()
        if self._at < len(self._source):
            raise self._error("')' without '(' in the pattern")
        return part

    def _error(self, problem: str, hint: str = "") -> FilterError:
        return FilterError(problem, self._offset + min(self._at, len(self._source)), hint)

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _new(self, what: _Chars | str | None = None, *following: int) -> int:
        if len(self._steps) >= MAX_STATES:
            raise self._error("the pattern is too large", "repeat less often")
        self._steps.append(_Step(what, list(following)))
        return len(self._steps) - 1

    def _alternatives(self) -> tuple[int, int]:
        first, last = self._new(), self._new()
        while True:
            begin, end = self._sequence()
            self._steps[first].next.append(begin)
            self._steps[end].next.append(last)
            if self._peek() != "|":
                return first, last
            self._at += 1

    def _sequence(self) -> tuple[int, int]:
        first = last = self._new()
        while self._peek() not in ("", "|", ")"):
            begin, end = self._repeated()
            self._steps[last].next.append(begin)
            last = end
        return first, last

    def _repeated(self) -> tuple[int, int]:
        began_at = self._at
        part = self._atom()
        bounds = self._repeat_bounds()
        if bounds is None:
            return part
        if self._peek() == "?":
            self._at += 1  # "as few as possible" finds the same texts
        ends_at = self._at
        if self._peek() in _REPEATS:
            raise self._error("two repeats in a row in the pattern", "put the first in ( )")
        return self._repeat(part, bounds, began_at, ends_at)

    def _repeat_bounds(self) -> tuple[int, int | None] | None:
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self._peek())
        if simple is not None:
            self._at += 1
            return simple
        if self._peek() != "{":
            return None
        close = self._source.find("}", self._at)
        low, comma, high = self._source[self._at + 1 : max(close, self._at + 1)].partition(",")
        if close < 0 or not _is_count(low) or (comma and high and not _is_count(high)):
            raise self._error("a repeat is {m}, {m,} or {m,n}", "write \\{ for the character")
        least, most = int(low), (int(high) if high else None) if comma else int(low)
        if max(least, most or 0) > MAX_REPEAT or (most is not None and most < least):
            raise self._error(f"a repeat goes from 0 to {MAX_REPEAT}, the smaller first")
        self._at = close + 1
        return least, most

    def _repeat(
        self, part: tuple[int, int], bounds: tuple[int, int | None], began_at: int, ends_at: int
    ) -> tuple[int, int]:
        """`part` in a row; further copies are compiled from the same piece of source."""
        least, most = bounds
        first = self._new()
        last, copies = first, 0

        def copy() -> tuple[int, int]:
            nonlocal copies
            copies += 1
            if copies == 1:
                return part
            self._at = began_at
            again = self._atom()
            self._at = ends_at
            return again

        for _ in range(least):
            begin, end = copy()
            self._steps[last].next.append(begin)
            last = end
        if most is None:
            begin, end = copy()
            loop = self._new(None, begin)
            self._steps[last].next.append(loop)
            self._steps[end].next.append(loop)
            out = self._new()
            self._steps[loop].next.append(out)
            return first, out
        out = self._new()
        for _ in range(most - least):
            self._steps[last].next.append(out)
            begin, end = copy()
            self._steps[last].next.append(begin)
            last = end
        self._steps[last].next.append(out)
        return first, out

    def _atom(self) -> tuple[int, int]:
        char = self._peek()
        if char == "(":
            return self._group()
        if char in _REPEATS:
            raise self._error(f"'{char}' has nothing to repeat", f"write \\{char} for the character")
        self._at += 1
        if char == "[":
            what: _Chars | str = self._set()
        elif char == "\\":
            what = self._escape()
        elif char in (_START, _END):
            what = char
        else:
            what = _ANY if char == "." else _Chars(((char, char),))
        last = self._new()
        return self._new(what, last), last

    def _group(self) -> tuple[int, int]:
        opened = self._at
        self._at += 3 if self._source.startswith("(?:", self._at) else 1
        if self._peek() == "?":
            raise self._error("'(?' is not known here", "only plain groups")
        self._depth += 1
        if self._depth > MAX_GROUPS:
            raise self._error("groups are nested too deeply in the pattern")
        part = self._alternatives()
        self._depth -= 1
        if self._peek() != ")":
            self._at = opened
            raise self._error("'(' is never closed in the pattern")
        self._at += 1
        return part

    def _escape(self) -> _Chars:
        char = self._peek()
        if not char:
            raise self._error("'\\' at the end of the pattern")
        if (known := _CLASSES.get(char.lower())) is not None:
            self._at += 1
            return _Chars(known.ranges, negated=char.isupper())
        if char.isalnum() and char not in _ESCAPES:
            raise self._error(f"'\\{char}' is not known here", "\\d, \\w, \\s and escaped marks are")
        self._at += 1
        char = _ESCAPES.get(char, char)
        return _Chars(((char, char),))

    def _set(self) -> _Chars:
        opened = self._at - 1
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[tuple[str, str]] = []
        while self._peek() != "]" or not ranges:
            if not self._peek():
                self._at = opened
                raise self._error("'[' is never closed in the pattern")
            self._set_item(ranges)
        self._at += 1
        return _Chars(tuple(ranges), negated)

    def _set_item(self, ranges: list[tuple[str, str]]) -> None:
        """Adds a character, a range or a class to the ranges of a set."""
        first = self._set_chars()
        if self._peek() != "-" or self._source[self._at + 1 : self._at + 2] in ("", "]"):
            ranges.extend(first.ranges)
            return
        self._at += 1
        last = self._set_chars()
        if len(first.ranges) != 1 or len(last.ranges) != 1 or first.ranges[0][0] > last.ranges[0][1]:
            raise self._error("a range in [ ] goes from one character to a later one")
        ranges.append((first.ranges[0][0], last.ranges[0][1]))

    def _set_chars(self) -> _Chars:
        char = self._peek()
        self._at += 1
        if char != "\\":
            return _Chars(((char, char),))
        chars = self._escape()
        if chars.negated:
            raise self._error("a class such as \\D cannot stand in [ ]", "write [^...]")
        return chars


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3
